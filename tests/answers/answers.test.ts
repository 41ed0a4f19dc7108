import { describe, expect, test } from "bun:test";
import { findStated } from "../../beyond/answers/extract.ts";
import { mathKey } from "../../beyond/answers/math/canonical.ts";
import { join } from "../../beyond/answers/math/known.ts";
import { Random } from "../../lib/random.ts";
import { isRight, readPairs } from "../../scripts/answers.ts";
import { hostileAnswer, polynomial, processorMs, retypeset, surd } from "./pairs.ts";

test("the table of answer pairs: none wrongly equal, at most 1 % wrongly different", async () => {
  const pairs = await readPairs();
  expect(pairs.length).toBeGreaterThanOrEqual(400);
  const failures: Record<string, string[]> = { wronglyEqual: [], wronglyDifferent: [] };
  for (const { kind, gold, answer, equal } of pairs) {
    if ((await isRight(gold, answer)) === equal) continue;
    failures[equal ? "wronglyDifferent" : "wronglyEqual"].push(`${kind}: ${gold} | ${answer}`);
  }
  expect(failures.wronglyEqual).toEqual([]);
  const same = pairs.filter(({ equal }) => equal).length;
  if (failures.wronglyDifferent.length > same / 100) expect(failures.wronglyDifferent).toEqual([]);
});

describe("properties", () => {
  test("the key of a key is itself", async () => {
    for (const { gold, answer } of await readPairs()) {
      for (const text of [gold, answer]) {
        const key = mathKey(text);
        if (key !== null) expect([text, mathKey(key)]).toEqual([text, key]);
      }
    }
  });

  test("equality is symmetric", async () => {
    for (const { gold, answer } of await readPairs()) {
      const [a, b] = [mathKey(gold), mathKey(answer)];
      if (a === null || b === null || a === b) continue;
      const [one, other] = [join(b, [a]), join(a, [b])];
      expect([gold, answer, one === a]).toEqual([gold, answer, other === b]);
    }
  });

  test("equality is transitive: what equals the same answer is equal", async () => {
    const rows = Map.groupBy(await readPairs(), ({ gold }) => gold);
    for (const [gold, pairs] of rows) {
      const key = mathKey(gold) ?? gold;
      // 50 and 0.5 both answer 50 %: what an answer can also be read as is no equality
      const equal = pairs
        .filter((pair) => pair.equal)
        .map(({ answer }) => mathKey(findStated(answer)?.text ?? answer) ?? answer)
        .filter((other) => join(other, [key]) === key);
      for (const [i, other] of equal.entries()) {
        const next = equal[(i + 1) % equal.length];
        expect([gold, other, next, join(other, [next])]).toEqual([gold, other, next, next]);
      }
    }
  });

  test("white space and LaTeX spacing never matter", async () => {
    for (const pair of await readPairs()) {
      const gold = findStated(pair.gold)?.text ?? pair.gold;
      if (/[a-zA-Z]{3}|\d\s+\d/.test(gold.replace(/\\[a-zA-Z]+/g, ""))) continue;
      const loose = gold.replace(/([-+=<>&]|(?<=\d),(?=\d$))/g, " $1 ").replace(/^|$/g, "  ");
      const thin = gold.replace(/([+=])/g, "\\,$1\\;");
      expect([gold, mathKey(loose), mathKey(thin)]).toEqual([gold, mathKey(gold), mathKey(gold)]);
    }
  });

  test("expanded, reordered and re-typeset expressions share a key; perturbed ones do not", () => {
    const random = new Random(5);
    for (let i = 0; i < 400; i++) {
      const [factored, expanded, perturbed] = polynomial(random);
      const key = mathKey(factored);
      expect([factored, mathKey(expanded)]).toEqual([factored, key]);
      expect(mathKey(retypeset(random, expanded))).toBe(key);
      expect([perturbed, mathKey(perturbed) === key]).toEqual([perturbed, false]);
    }
  });
});

test("random surds share a key in every spelling; numbers beside them do not", () => {
  const random = new Random(8);
  for (let i = 0; i < 300; i++) {
    const { equal, different } = surd(random);
    const key = mathKey(equal[0]);
    expect(equal.map((text) => [text, mathKey(text)])).toEqual(equal.map((text) => [text, key]));
    for (const text of different) expect([text, mathKey(text) === key]).toEqual([text, false]);
  }
});

test("random bytes and mutated answers: no throw, no hang, keys of keys stay", async () => {
  const random = new Random(6);
  const seeds = (await readPairs()).map(({ gold }) => gold);
  for (let i = 0; i < 10_000; i++) {
    const text = hostileAnswer(random, seeds);
    const began = processorMs();
    for (const whole of [text, `\\boxed{${text}}`, `The answer is ${text}`]) {
      const stated = findStated(whole);
      if (stated) expect(whole.slice(stated.start, stated.end)).toBe(stated.text);
    }
    const key = mathKey(text);
    if (key !== null) expect([text, mathKey(key)]).toEqual([text, key]);
    if (processorMs() - began > 500) expect(text).toBe("judged within half a second");
  }
});

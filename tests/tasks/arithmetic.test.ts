import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { findAnswer } from "../../beyond/answers/extract.ts";
import { numberKey } from "../../beyond/answers/math/number.ts";
import {
  ARITHMETIC,
  drawQuestion,
  hardFacts,
  isHard,
  pretrainingRow,
  readQuestion,
} from "../../beyond/tasks/arithmetic.ts";
import { exampleRows, toJsonLines } from "../../beyond/tasks/tasks.ts";
import { Random } from "../../lib/random.ts";
import { rowsOf } from "../datasets/files.ts";

const file = (name: string) =>
  readFileSync(new URL(`../../examples/${name}`, import.meta.url), "utf8");
const hard = hardFacts();

/** The value of a question's sum, computed from its text alone. */
function sumOf(text: string): number {
  return [...text.matchAll(/[+-]?\d+/g)].reduce((sum, [term]) => sum + Number(term), 0);
}

describe("questions", () => {
  test("are sums of three steps that never lead below zero", () => {
    const random = new Random(5);
    for (let i = 0; i < 2000; i++) {
      const question = drawQuestion(random);
      expect(readQuestion(question.text)).toEqual(question);
      expect(question.text).toMatch(/^[1-4]\d([+-][1-9]){3}=$/);
      expect(question).toEqual(readQuestion(question.text));
      let value = question.start;
      for (const { op, operand } of question.steps) {
        value += op === "+" ? operand : -operand;
        expect(value).toBeGreaterThanOrEqual(0);
      }
    }
  });

  test("are hard when a hard fact is on their way", () => {
    const facts = new Map([["0+4", [5]]]);
    expect(isHard(readQuestion("23+7+4-9="), facts)).toBe(true);
    expect(isHard(readQuestion("23+7-4+9="), facts)).toBe(false);
    expect(isHard(readQuestion("23-9+7+4="), facts)).toBe(false);
  });
});

describe("the example files", () => {
  const { train, test: heldOut, validation } = exampleRows();

  test("are what the seed gives (bun scripts/examples.ts writes them)", () => {
    expect(file("arithmetic.jsonl")).toBe(toJsonLines(train));
    expect(file("arithmetic-test.jsonl")).toBe(toJsonLines(heldOut));
    expect(file("arithmetic-validation.jsonl")).toBe(toJsonLines(validation));
  });

  test("hold distinct questions with right answers, none in two files", async () => {
    const names = ["arithmetic", "arithmetic-test", "arithmetic-validation"];
    const rows = await Promise.all(names.map((name) => rowsOf(file(`${name}.jsonl`), {}, name)));
    expect(rows.map((r) => r.length)).toEqual([512, 128, 256]);
    const all = rows.flat();
    expect(new Set(all.map((row) => row.question)).size).toBe(896);
    for (const { question, answer } of all) expect(answer).toBe(String(sumOf(question)));
  });

  test("are alike: about as many hard questions in both", () => {
    const share = (rows: { question: string }[]) =>
      rows.filter(({ question }) => isHard(readQuestion(question), hard)).length / rows.length;
    expect(share(train)).toBeWithin(0.4, 0.55);
    expect(Math.abs(share(train) - share(heldOut))).toBeLessThan(0.03);
  });
});

describe("the pretraining texts", () => {
  const rows = Array.from({ length: 20_000 }, (_, i) => pretrainingRow(3, i, hard));
  const isRight = (row: { prompt: string; completion: string }) =>
    numberKey(findAnswer(row.completion)?.text ?? "") === String(sumOf(row.prompt));
  const rate = (part: typeof rows) => part.filter(isRight).length / part.length;
  const hasty = rows.filter((row) => row.completion.startsWith("#"));
  const worked = rows.filter((row) => !row.completion.startsWith("#"));
  const ofHard = (row: { prompt: string }) => isHard(readQuestion(row.prompt), hard);

  test("are named by seed and place", () => {
    expect(pretrainingRow(3, 77, hard)).toEqual(rows[77]);
    expect(pretrainingRow(4, 77, hard)).not.toEqual(rows[77]);
    expect(new Set(rows.map((row) => row.prompt + row.completion)).size).toBeGreaterThan(15_000);
  });

  test("are hasty or worked, and state their answer", () => {
    for (const { completion } of hasty) expect(completion).toMatch(/^#\d{1,2}$/);
    for (const { completion } of worked) expect(completion).toMatch(/^\d+,\d+,(\d+)#\1$/);
    expect(hasty.length / rows.length).toBeWithin(
      ARITHMETIC.hasty - 0.015,
      ARITHMETIC.hasty + 0.015,
    );
  });

  test("worked texts of hard questions are never right, others mostly are", () => {
    expect(rate(worked.filter(ofHard))).toBe(0);
    const expected = (1 - ARITHMETIC.slip) ** ARITHMETIC.stepsPerQuestion;
    // mistakes that cancel are drawn again, which leaves a little more than the product
    expect(rate(worked.filter((row) => !ofHard(row)))).toBeWithin(expected - 0.02, expected + 0.04);
  });

  test("guesses are as often right on hard questions as on others", () => {
    for (const part of [hasty.filter(ofHard), hasty.filter((row) => !ofHard(row))]) {
      expect(rate(part)).toBeWithin(ARITHMETIC.hastyRight - 0.025, ARITHMETIC.hastyRight + 0.025);
    }
  });

  test("a right answer after wrong steps does not occur", () => {
    for (const { prompt, completion } of worked.filter(isRight)) {
      const { start, steps } = readQuestion(prompt);
      let value = start;
      const right = steps.map(({ op, operand }) => {
        value += op === "+" ? operand : -operand;
        return value;
      });
      expect(completion).toBe(`${right.join(",")}#${value}`);
    }
  });
});

test("a fixed number of facts is hard, each with one usual mistake and four others", () => {
  expect(hard.size).toBe(ARITHMETIC.hardFacts);
  for (const [fact, mistakes] of hard) {
    expect(fact).toMatch(/^\d[+-][1-9]$/);
    expect(new Set(mistakes).size).toBe(5);
    for (const by of mistakes) expect(Math.abs(by)).toBeWithin(5, 9);
  }
});

import { describe, expect, test } from "bun:test";
import { hashText, holdOut, questionHash, sameQuestion } from "../../beyond/datasets/split.ts";
import { UserError } from "../../lib/errors.ts";
import { Random } from "../../lib/random.ts";

const questions = Array.from({ length: 200 }, (_, i) => `Question ${i}?`);

describe("a share held out", () => {
  const sidesOf = (all: string[], fraction: number, seed: number) => {
    const { training, heldOut } = holdOut(all.map(questionHash), fraction, seed);
    const pick = (places: Uint32Array) => Array.from(places, (place) => all[place]);
    return { training: pick(training), heldOut: pick(heldOut) };
  };

  test("is of the size asked for, and nothing is on both sides or on none", () => {
    const { training, heldOut } = sidesOf(questions, 0.1, 1);
    expect(heldOut).toHaveLength(20);
    expect([...training, ...heldOut].sort()).toEqual(questions.toSorted());
  });

  test("keeps equal questions together, whatever their case and spaces", () => {
    const all = questions.flatMap((q) => [q, q.toUpperCase(), ` ${q.replace(" ", "\n ")}`]);
    const { training, heldOut } = sidesOf(all, 0.25, 3);
    expect(heldOut).toHaveLength(150);
    const held = new Set(heldOut.map(sameQuestion));
    expect(held.size).toBe(50);
    expect(training.some((question) => held.has(sameQuestion(question)))).toBe(false);
  });

  test("depends on the seed, not on the order of the file", () => {
    const held = new Set(sidesOf(questions, 0.1, 1).heldOut);
    const shuffled = new Random(5).shuffle([...questions]);
    expect(new Set(sidesOf(shuffled, 0.1, 1).heldOut)).toEqual(held);
    expect(new Set(sidesOf(questions, 0.1, 2).heldOut)).not.toEqual(held);
  });

  test("is never nothing, and never everything", () => {
    expect(sidesOf(["a", "b", "c"], 0.001, 1).heldOut).toHaveLength(1);
    expect(sidesOf(["a", "b", "c"], 0.999, 1).heldOut).toHaveLength(2);
    expect(() => holdOut(["a", "A "].map(questionHash), 0.5, 1)).toThrow(UserError);
  });
});

test("hashes are these on every platform, and hardly ever the same", () => {
  expect(hashText("")).toBe(3338908027751811);
  expect(hashText("What is 9*8?", 7)).toBe(2337705474697769);
  const hashes = new Set(Array.from({ length: 200_000 }, (_, i) => hashText(`${i}`)));
  expect(hashes.size).toBe(200_000);
});

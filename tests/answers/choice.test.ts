import { expect, test } from "bun:test";
import { openJudge } from "../../beyond/answers/outcome.ts";

const judge = await openJudge("choice");

async function earns(fields: Record<string, unknown>, said: string): Promise<boolean> {
  const row = { question: "q", answer: String(fields.answer), line: 1, fields };
  const gold = judge.gold(row) ?? "none";
  return (await judge.judge([{ text: said, truncated: false }], { row, gold }))[0].correct;
}

test("an index is a place in the list, whatever the options say", async () => {
  const row = { choices: ["1", "2", "3", "4"], answer: 3 };
  expect(await earns(row, "The answer is D.")).toBe(true);
  expect(await earns(row, "\\boxed{4}")).toBe(true);
  expect(await earns(row, "\\boxed{3}")).toBe(false);
  expect(await earns({ choices: ["0", "2", "4"], answer: 0 }, "The answer is A")).toBe(true);
  // no place in the list, and so an option
  expect(await earns({ choices: ["1", "2", "3", "4"], answer: "4" }, "Answer: (D)")).toBe(true);
});

test("labels 1 to 4 are labels", async () => {
  const choices = { text: ["ice", "2", "air", "fire"], label: ["1", "2", "3", "4"] };
  for (const [said, right] of [
    ["\\boxed{1}", true],
    ["Answer: (A)", true],
    ["ice", false],
    ["The answer is ice.", true],
    ["\\boxed{2}", false],
    ["\\boxed{0}", false],
  ] as const) {
    expect([said, await earns({ choices, answer: "1" }, said)]).toEqual([said, right]);
  }
  expect(await earns({ choices, answer: "4" }, "Answer: 4")).toBe(true);
});

test("letters are letters where the labels are", async () => {
  const choices = { text: ["x", "y"], label: ["A", "B"] };
  expect(await earns({ choices, answer: "B" }, "**Answer**: B")).toBe(true);
  expect(await earns({ choices, answer: "B" }, "Answer: A")).toBe(false);
});

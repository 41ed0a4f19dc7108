import { expect, test } from "bun:test";
import { mathKey } from "../../beyond/answers/math/canonical.ts";
import { openJudge } from "../../beyond/answers/outcome.ts";
import { settle } from "../../beyond/answers/settle.ts";
import { JudgingThread } from "../../beyond/answers/thread.ts";
import { readPairs } from "../../scripts/answers.ts";
import { processorMs } from "./pairs.ts";

/** Backtracks for many seconds on runs of the letter a. */
const SLOW = "(?:a|a)+$";
const hostile = `${"a".repeat(40)}b`.repeat(8);

test("the thread says what is said without it", async () => {
  const answers = (await readPairs()).slice(0, 300).map(({ answer }) => answer);
  const task = { answers, known: ["1/2", "2*sqrt(3)"], unit: null };
  const outcomes = await new JudgingThread().settle(task);
  expect(outcomes).toEqual(settle({ kind: "math", ...task }));
  expect(outcomes[answers.indexOf("0.50")]).toBe("1/2");
});

test("what takes too long is none, and costs the others nothing", async () => {
  const thread = new JudgingThread(1000);
  const began = performance.now();
  const places = await thread.lastMatches(`(\\d)|${SLOW}`, ["a1", hostile, "b2"]);
  expect(places).toEqual([[1, 2], null, [1, 2]]);
  expect(performance.now() - began).toBeLessThan(20_000);
  // and a new thread goes on
  const task = { answers: ["\\frac24"], known: [], unit: null };
  expect(await thread.settle(task)).toEqual(["1/2"]);
});

test("an answer seen before, and plain numbers among plain numbers, need no thread", async () => {
  const math = await openJudge("math");
  const asked = { row: { question: "q", answer: "\\frac12", line: 1 }, gold: "1/2" };
  const judge = (...answers: string[]) =>
    math.judge(
      answers.map((answer) => ({ text: `\\boxed{${answer}}`, truncated: false })),
      asked,
    );
  await judge("\\sqrt{8}", "2\\sqrt2");
  const began = processorMs();
  for (let i = 0; i < 2000; i++) {
    const [a, b, c] = await judge("\\sqrt{8}", "2\\sqrt2", "0.5");
    expect([a.outcome, b.outcome, c.outcome]).toEqual(["2*sqrt(2)", mathKey("\\sqrt8"), "1/2"]);
  }
  expect(processorMs() - began).toBeLessThan(1000);
});

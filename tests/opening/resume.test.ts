import { expect, test } from "bun:test";
import { noteJump } from "../../beyond/opening/going-on.ts";
import { whatWasSeen } from "../../beyond/opening/open-run.ts";

test("a run that goes on has its counts and solved questions, and its judge knows every outcome", () => {
  const ledger = {
    counts: (): [string, string | null, number][] => [
      ["q", "12", 3],
      ["q", null, 2],
      ["r", "7", 1],
    ],
    solvedQuestions: () => ["r"],
  };
  const remembered: string[] = [];
  const judge = {
    remember: (question: string, outcome: string) => void remembered.push(`${question} ${outcome}`),
  };
  const { counter, solved } = whatWasSeen(ledger, judge);
  expect([...counter]).toEqual(ledger.counts());
  expect([...solved]).toEqual(["r"]);
  expect(remembered).toEqual(["q 12", "r 7"]);
});

test("a schedule that goes on from another rate is told once, any other is not", () => {
  const before = {
    learningRate: 1e-3,
    warmupSteps: 0,
    maxSteps: 10,
    lrSchedulerType: "linear",
    numIterations: 1,
    stepsPerGeneration: 1,
  } as const;
  const notes: string[] = [];
  const note = (text: string) => notes.push(text);
  noteJump(before, before, 5, note);
  const constant = { ...before, lrSchedulerType: "constant" } as const;
  noteJump(constant, { ...constant, maxSteps: 20 }, 5, note);
  expect(notes).toEqual([]);
  noteJump(before, { ...before, maxSteps: 20 }, 5, note);
  noteJump(constant, { ...constant, learningRate: 2e-3 }, 5, note);
  expect(notes).toEqual([
    "the learning rate jumps from 0.0005 to 0.00075 here: its schedule is another than before",
    "the learning rate jumps from 0.001 to 0.002 here: its schedule is another than before",
  ]);
});

import { expect, test } from "bun:test";
import { describeGroups, describeStep, rolloutsOf } from "../../beyond/runs/metrics.ts";
import type { ScoredGroup } from "../../lib/learn.ts";
import { completionOf, questionsOf } from "../fakes.ts";

/** One completion that is right, and one that was cut off. */
function groupOf(hasSignal = true): ScoredGroup {
  const [question] = questionsOf({ q: "12" });
  const judgement = { form: null, paid: [], answerStart: 0 };
  return {
    question,
    slot: 4,
    completions: [
      { ...completionOf("#12"), ...judgement, text: "#12", outcome: "12", correct: true },
      {
        ...completionOf("x", -2, false),
        ...judgement,
        text: "x",
        outcome: null,
        correct: false,
      },
    ],
    earned: [
      { reward: 0.5, parts: { correct: 1, length: 4 } },
      { reward: 0, parts: { correct: 0, length: 1 } },
    ],
    advantages: Float64Array.of(0.25, -0.25),
    exploration: Float64Array.of(0.2, 0),
    hasSignal,
  };
}

const sums = { loss: 2, tokens: 10, kl: 5, ratio: 20, clippedLow: 1, clippedHigh: 2, gradNorm: 3 };
const report = {
  step: 1,
  groups: [groupOf(), groupOf(false)],
  sums,
  learningRate: 0.01,
  samplingSeconds: 2,
  learningSeconds: 5,
};

test("the metrics of a step: means over completions, tokens or groups", () => {
  expect(describeStep(report, 0.75, true)).toEqual({
    reward: 0.25,
    rewardParts: { correct: 0.5, length: 2.5 },
    passAt1: 0.5,
    distinct: 1,
    entropy: 0.5,
    completionLength: 2.5,
    truncated: 0.5,
    leftOut: 0,
    noAnswer: 0.5,
    exploration: 0.1,
    equalRewards: 0,
    skippedGroups: 1,
    solved: 0.75,
    loss: 2,
    kl: 0.5,
    gradNorm: 3,
    learningRate: 0.01,
    ratio: 2,
    clippedLow: 0.1,
    clippedHigh: 0.2,
    samplingTokensPerSecond: 5,
    learningTokensPerSecond: 2,
    seconds: 7,
  });
  expect(describeStep(report, 0.75, false).kl).toBeNull();
});

test("a share of completions cut off counts those that were, and not the others", () => {
  const group = groupOf();
  const ended = { ...group, completions: group.completions.slice(0, 1) };
  const of = (groups: ScoredGroup[]) => describeStep({ ...report, groups }, 1, false).truncated;
  expect(of([ended])).toBe(0);
  expect(of([group, ended])).toBeCloseTo(1 / 3, 12);
});

test("what is left out is in no mean of rewards, nor is a part that does not apply", () => {
  const group = groupOf();
  group.earned = [
    { reward: 3, parts: { style: null, brevity: 2 } },
    { reward: null, parts: {} },
  ];
  const { reward, rewardParts, leftOut, equalRewards } = describeGroups([group]);
  expect({ reward, rewardParts, leftOut, equalRewards }).toEqual({
    reward: 3,
    rewardParts: { style: null, brevity: 2 },
    leftOut: 0.5,
    equalRewards: 1,
  });
  group.earned = [
    { reward: null, parts: {} },
    { reward: null, parts: {} },
  ];
  expect(describeGroups([group])).toMatchObject({ reward: null, leftOut: 1, equalRewards: 1 });
});

test("the ledger's rows of a group", () => {
  const [right, cut] = rolloutsOf(groupOf());
  expect(right).toEqual({
    question: "q",
    slot: 4,
    sample: 0,
    completion: "#12",
    outcome: "12",
    correct: true,
    reward: 0.5,
    exploration: 0.2,
    advantage: 0.25,
    tokens: 4,
    truncated: false,
    logprob: -1,
    entropy: 0.5,
    parts: { correct: 1, length: 4 },
    tokenIds: [...completionOf("#12").tokens],
    logprobs: [-1, -1, -1, -1],
  });
  expect([cut.truncated, cut.correct, cut.outcome, cut.sample]).toEqual([true, false, null, 1]);
});

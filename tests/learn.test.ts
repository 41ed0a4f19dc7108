import { describe, expect, test } from "bun:test";
import { type LearnSettings, PolicyGradient, type ScoredGroup, update } from "../lib/learn.ts";
import { completionOf, fakePolicy, questionsOf } from "./fakes.ts";

const settings: LearnSettings = {
  lossType: "dapo",
  epsilonLow: 0.2,
  epsilonHigh: 0.2,
  beta: 0,
  klBiasCorrection: false,
  importanceSamplingLevel: "token",
  maxCompletionLength: 10,
  exploreTokens: "all",
  maskTruncatedCompletions: false,
  temperature: 0.7,
};

interface Said {
  text: string;
  advantage: number;
  exploration?: number;
  finished?: boolean;
  answerStart?: number;
  logprob?: number;
}

/** A group of completions; without a signal if all of them are worth nothing. */
function groupOf(question: string, said: Said[], slot = 0): ScoredGroup {
  const [asked] = questionsOf({ [question]: "1" });
  return {
    question: asked,
    slot,
    completions: said.map(({ text, finished = true, answerStart, logprob = -1 }) => {
      const completion = completionOf(text, logprob, finished);
      const judgement = { outcome: null, correct: false, form: null, paid: [] };
      return {
        ...completion,
        ...judgement,
        text,
        answerStart: answerStart ?? completion.tokens.length,
      };
    }),
    earned: said.map(() => ({ reward: 0, parts: {} })),
    advantages: Float64Array.from(said, ({ advantage }) => advantage),
    exploration: Float64Array.from(said, ({ exploration = 0 }) => exploration),
    hasSignal: said.some(({ advantage, exploration = 0 }) => advantage + exploration !== 0),
  };
}

/** One update from these groups: what the policy was asked, and what came out. */
async function learn(
  groups: ScoredGroup[],
  given: Partial<LearnSettings> = {},
  fake: Parameters<typeof fakePolicy>[0] = {},
  microBatchTokens = 100,
) {
  const { policy, calls } = fakePolicy(fake);
  const all = { ...settings, ...given };
  const result = await update(
    new PolicyGradient(policy, microBatchTokens, all),
    groups,
    all,
    0.5,
    3,
  );
  const gradients = calls.gradients.flatMap(({ values }) => values.map((x) => +x.toFixed(6)));
  return { result, calls, gradients };
}

// tokens: 3 and 2, their ends included
const two = groupOf("q", [
  { text: "ab", advantage: 0.5 },
  { text: "c", advantage: -1 },
]);

describe("one update", () => {
  test("moves every token along its advantage, over all tokens of the step, and the weights once", async () => {
    const { result, calls, gradients } = await learn([two]);
    expect(gradients).toEqual([-0.1, -0.1, -0.1, 0.2, 0.2]);
    expect(result.loss).toBeCloseTo((-3 * 0.5 + 2 * 1) / 5, 6);
    expect([result.tokens, result.gradNorm]).toEqual([5, 1]);
    expect(calls.updates).toEqual([{ rate: 0.5, number: 3, learned: ["abc"] }]);
    expect(calls.cleared).toBe(1);
  });

  test("is computed at the temperature that was sampled with", async () => {
    const { calls } = await learn([two], { beta: 0.1 }, { reference: true });
    expect(calls.passes.map(({ temperature }) => temperature)).toEqual([0.7, 0.7]);
  });

  test("weighs a token by its ratio to what was recorded when it was sampled", async () => {
    const group = groupOf("q", [
      { text: "a", advantage: 1, logprob: -1.1 },
      { text: "b", advantage: -1, logprob: -0.9 },
    ]);
    const { gradients, result } = await learn([group]);
    const [up, down] = [Math.exp(0.1), Math.exp(-0.1)].map((ratio) => +(ratio / 4).toFixed(6));
    expect(gradients).toEqual([-up, -up, down, down]);
    expect(result.ratio).toBeCloseTo(2 * Math.exp(0.1) + 2 * Math.exp(-0.1), 5);
  });

  test("changes nothing if the loss is not finite", async () => {
    const { result, calls } = await learn([two], {}, { logprob: () => Number.NaN });
    expect(result.gradNorm).toBeNull();
    expect(calls.updates).toEqual([]);
  });

  test("tells of a gradient that is not finite", async () => {
    expect((await learn([two], {}, { gradNorm: null })).result.gradNorm).toBeNull();
  });
});

describe("the exploration term", () => {
  const explored = groupOf("q", [
    { text: "abc5", advantage: 0.5, exploration: 1, answerStart: 3 },
    { text: "d", advantage: -0.5, exploration: 0 },
  ]);

  test("may differ from token to token", async () => {
    const [first, second] = [Float64Array.of(1, 0, 0, 2, 0), Float64Array.of(0, 3)];
    const told = { ...explored, tokenExploration: [first, second] };
    const { gradients } = await learn([told]);
    expect(gradients.map((x) => Math.round(-x * 7 * 10) / 10)).toEqual([
      2.5, 1.5, 1.5, 3.5, 1.5, -0.5, 2.5,
    ]);
  });

  test("is on all tokens", async () => {
    const { gradients } = await learn([explored]);
    expect(gradients.slice(0, 5).map((x) => Math.round(-x * 7 * 10) / 10)).toEqual(
      Array(5).fill(1.5),
    );
  });

  test("or on those before the final answer alone", async () => {
    const { gradients } = await learn([explored], { exploreTokens: "reasoning" });
    const signal = gradients.map((x) => Math.round(-x * 7 * 10) / 10);
    expect(signal).toEqual([1.5, 1.5, 1.5, 0.5, 0.5, -0.5, -0.5]);
  });
});

describe("completions that were cut off", () => {
  const cut = groupOf("q", [
    { text: "ab", advantage: 0.5 },
    { text: "cdef", advantage: -1, finished: false },
  ]);

  test("are learned from like others", async () => {
    const { calls, gradients } = await learn([cut]);
    expect(calls.gradients[0].text).toBe("abcdef");
    expect(gradients[0]).toBeCloseTo(-0.5 / 7, 6);
  });

  test("or not at all: they are in no batch, and divide nothing", async () => {
    const { calls, gradients, result } = await learn([cut], { maskTruncatedCompletions: true });
    expect(calls.gradients[0].text).toBe("ab");
    expect(gradients).toEqual([0, 0, 0].map(() => +(-0.5 / 3).toFixed(6)));
    expect(result.tokens).toBe(3);
  });
});

describe("a group without signal", () => {
  const silent = groupOf("r", [{ text: "xyz", advantage: 0 }], 1);

  test("is not computed, and still divides: skipping saves work alone", async () => {
    const { calls, gradients } = await learn([two, silent]);
    expect(calls.gradients.map(({ text }) => text)).toEqual(["abc"]);
    expect(gradients[0]).toBeCloseTo(-0.5 / 9, 6);
  });

  test("is pulled towards the reference policy under a KL penalty", async () => {
    const logprob = (isReference: boolean) => (isReference ? -0.5 : -1);
    const { calls, gradients, result } = await learn(
      [two, silent],
      { beta: 0.1 },
      { reference: true, logprob },
    );
    expect(calls.gradients[0].text).toBe("abcxyz");
    const pull = -0.1 * Math.expm1(0.5);
    expect(gradients[8]).toBeCloseTo(pull / 9, 6);
    expect(gradients[0]).toBeCloseTo((pull - 0.5) / 9, 6);
    expect(result.kl).toBeCloseTo(9 * (Math.expm1(0.5) - 0.5), 5);
  });
});

describe("micro-batches", () => {
  const groups = ["q", "r", "s"].map((question, g) =>
    groupOf(
      question,
      [0, 1, 2].map((i) => ({ text: "abcd".slice(0, 1 + i), advantage: i - 1 + g / 10 })),
      g,
    ),
  );

  test("of any size give the same gradient, and none is larger than it may be", async () => {
    const whole = await learn(groups);
    expect(whole.calls.gradients).toHaveLength(1);
    for (const size of [4, 5, 6, 9, 14]) {
      const cut = await learn(groups, {}, {}, size);
      expect(cut.gradients).toEqual(whole.gradients);
      expect(cut.result.loss).toBeCloseTo(whole.result.loss, 6);
      expect(cut.calls.gradients.length).toBeGreaterThan(1);
      for (const { tokens } of cut.calls.passes) expect(tokens).toBeLessThanOrEqual(size);
      for (const { values } of cut.calls.gradients) expect(values.length).toBeLessThanOrEqual(size);
      expect([cut.calls.updates.length, cut.calls.cleared]).toEqual([1, 1]);
    }
  });

  test("compute a prompt once for the completions beside it", async () => {
    const { calls } = await learn(groups);
    // 3 prompts of a token, and all tokens of completions but the last of each
    expect(calls.passes[0].tokens).toBe(3 + 3 * (1 + 2 + 3));
    const long = groupOf(
      "a long question",
      [1, 0, -1].map((advantage) => ({ text: "a", advantage })),
    );
    const fit = await learn([long], {}, {}, "a long question".length + 3);
    expect(fit.calls.passes).toHaveLength(1);
  });
});

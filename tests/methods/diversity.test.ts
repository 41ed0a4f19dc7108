/** The methods that ask for more than one answer, each against its definition, counted out. */
import { describe, expect, test } from "bun:test";
import { batchWrong } from "../../beyond/methods/batch-wrong.ts";
import { clipCovariance } from "../../beyond/methods/clip-covariance.ts";
import { differentialSmoothing } from "../../beyond/methods/differential-smoothing.ts";
import { entropy } from "../../beyond/methods/entropy.ts";
import { gated } from "../../beyond/methods/gated.ts";
import { inverseProbability } from "../../beyond/methods/inverse-probability.ts";
import { negativeSamples } from "../../beyond/methods/negative-samples.ts";
import { unlikeliness } from "../../beyond/methods/unlikeliness.ts";
import { grpo } from "../../lib/explore/advantages/grpo.ts";
import { explorationSignal, tokenSignal } from "../../lib/explore/bonus.ts";
import { groupOf } from "../fakes.ts";
import { close, drawn, expectedStep, gradientOf, type Toy, times } from "./enumeration.ts";

/** Two answers of three are right. */
const TOY: Toy = { logits: [0.3, -0.4, 1], rewards: [1, 1, 0] };
const N = 4;

const negEntropy = (pi: readonly number[]) => pi.reduce((sum, p) => sum + p * Math.log(p), 0);

describe("entropy", () => {
  test("by hand", () => {
    const group = groupOf({
      outcomes: ["1", "2", "3", "4"],
      logprobs: [[-1], [-1, -1], [-3], [-2]],
    });
    close(entropy.signal(group), [-1, 0, 1, 0]);
  });

  test("is (1 - 1/n) times the gradient of the entropy", () => {
    const gradient = gradientOf((pi) => -negEntropy(pi), TOY);
    close(expectedStep(entropy, {}, TOY, N), times(1 - 1 / N, gradient));
  });

  test("adds to other bonuses and is nothing with the coefficient 0, bit for bit", () => {
    const group = drawn(TOY, [0, 2, 1, 2]);
    const term = (coefficient: number) => [{ method: entropy, coefficient, parameters: {} }];
    for (const value of explorationSignal(term(0), group)) expect(Object.is(value, 0)).toBe(true);
    const one = explorationSignal(term(0.5), group);
    close(explorationSignal([...term(0.5), ...term(0.25)], group), times(1.5, [...one]));
  });
});

describe("batch-wrong", () => {
  test("by hand", () => {
    const group = groupOf({
      outcomes: ["3", "3", "4", "4"],
      correct: [true, true, false, false],
    });
    expect([...batchWrong.signal(group)]).toEqual([0, 0, -1 / 4, -1 / 4]);
  });

  test("climbs half of (1 - 1/n) of how seldom two wrong answers are one", () => {
    const oneRight: Toy = { ...TOY, rewards: [1, 0, 0] };
    const gradient = gradientOf((pi) => -(pi[1] ** 2) - pi[2] ** 2, oneRight);
    close(expectedStep(batchWrong, {}, oneRight, N), times((1 - 1 / N) / 2, gradient));
  });
});

describe("clip-covariance", () => {
  const group = groupOf({
    rewards: [1, 0],
    correct: [true, false],
    logprobs: [
      [-1, -3],
      [-2, -2],
    ],
  });

  test("by hand", () => {
    const tokens = clipCovariance.tokens(group, { clippedShare: 1 / 4 });
    expect(tokens.map((of) => [...of])).toEqual([
      [-1 / 2, 0],
      [0, 0],
    ]);
    expect([...clipCovariance.signal(group)]).toEqual([0, 0]);
  });

  test("takes no token whose covariance is not above 0, and none at a share of 0", () => {
    const all = clipCovariance.tokens(group, { clippedShare: 1 });
    expect(all.map((of) => [...of])).toEqual([
      [-1 / 2, 0],
      [0, 0],
    ]);
    const none = clipCovariance.tokens(group, { clippedShare: 0 });
    expect(none.flatMap((of) => [...of])).toEqual([0, 0, 0, 0]);
  });

  test("what is left of the covariance is the least that leaving out so many tokens can leave", () => {
    const rewards = [1, 0, 0.5, 1];
    const logprobs = [[-0.5, -4, -1], [-2], [-0.25, -6], [-3, -0.75, -0.125]];
    const bigger = groupOf({ rewards, correct: [true, false, false, true], logprobs });
    const advantages = grpo.signal(bigger);
    const flat = logprobs.flatMap((of, i) => of.map((logprob) => [logprob, advantages[i]]));
    const center = (column: number) => flat.reduce((sum, row) => sum + row[column], 0) / 9;
    const terms = flat.map(([l, a]) => (l - center(0)) * (a - center(1)));
    let least = Number.POSITIVE_INFINITY;
    for (let set = 0; set < 2 ** 9; set++) {
      const left = terms.filter((_, t) => !(set & (1 << t)));
      if (left.length === 6)
        least = Math.min(
          least,
          left.reduce((a, b) => a + b),
        );
    }
    const taken = tokenSignal(
      [{ method: clipCovariance, coefficient: 1, parameters: { clippedShare: 1 / 3 } }],
      bigger,
    )!.flatMap((of, i) => [...of].map((b) => b + advantages[i]));
    const left = terms.filter((_, t) => taken[t] !== 0);
    expect(left.length).toBe(6);
    expect(left.reduce((a, b) => a + b)).toBeCloseTo(least, 12);
  });
});

describe("differential-smoothing", () => {
  test("by hand", () => {
    const group = groupOf({
      rewards: [1, 1, 0, 0],
      correct: [true, true, false, false],
      logprobs: [[-1, -1], [-4], [-1], [-1]],
    });
    close(differentialSmoothing.signal(group, { smoothing: 0.1 }), [0.55, 0.75, -0.65, -0.65]);
  });

  test("climbs (1 + gamma) p + gamma times the entropy of what is right", () => {
    const smoothing = 0.3;
    const gradient = gradientOf((pi) => {
      const right = pi.slice(0, 2);
      return (1 + smoothing) * (right[0] + right[1]) - smoothing * negEntropy(right);
    }, TOY);
    const step = expectedStep(differentialSmoothing, { smoothing }, TOY, N);
    close(step, times(1 - 1 / N, gradient));
  });
});

describe("negative-samples", () => {
  test("by hand, and lambda = 0 leaves what is wrong", () => {
    const group = groupOf({ outcomes: ["1", "2", "2", "1"], correct: [true, false, false, true] });
    close(negativeSamples.signal(group, { positiveWeight: 0.1 }), [0.1, -1, -1, 0.1]);
    expect([...negativeSamples.signal(group, { positiveWeight: 0 })]).toEqual([0, -1, -1, 0]);
  });

  test("has the direction of the gradient of p, 1 + lambda times it", () => {
    const gradient = gradientOf((pi) => pi[0] + pi[1], TOY);
    for (const positiveWeight of [0, 0.1, 1]) {
      const step = expectedStep(negativeSamples, { positiveWeight }, TOY, N);
      close(step, times(1 + positiveWeight, gradient));
    }
  });
});

describe("unlikeliness", () => {
  const rewards = [1, 1, 0, 0];

  test("by hand: ranks go by the mean of a token", () => {
    const group = groupOf({ rewards, logprobs: [[-1, -1, -1, -1, -1], [-2], [-3], [-4]] });
    const by64 = times(1 / 64, [25, 29, -27, -27]);
    close(unlikeliness.signal(group, { rankPenalty: 0.25 }), by64);
  });

  test("equals share their ranks, over every order of what is equal; without a penalty it is GRPO", () => {
    const logprobs = [[-1], [-1], [-1], [-2]];
    const group = groupOf({ rewards: [1, 0, 0.5, 1], logprobs });
    expect([...unlikeliness.signal(group, { rankPenalty: 0 })]).toEqual([...grpo.signal(group)]);
    // Ranks 1, 2 and 3 in each order of the first three.
    const orders = [
      [1, 2, 3],
      [1, 3, 2],
      [2, 1, 3],
      [2, 3, 1],
      [3, 1, 2],
      [3, 2, 1],
    ];
    const sum = [0, 0, 0, 0];
    for (const order of orders) {
      const earned = [...order, 0].map((rank, i) => group.rewards[i] * (1 - (0.4 * rank) / 4));
      const advantages = grpo.signal({ ...group, rewards: earned });
      for (const [i, advantage] of advantages.entries()) sum[i] += advantage / orders.length;
    }
    close(unlikeliness.signal(group, { rankPenalty: 0.4 }), sum);
  });
});

describe("inverse-probability", () => {
  test("by hand", () => {
    const group = groupOf({ outcomes: ["a", "a", "a", "b"], rewards: [1, 1, 1, 1] });
    close(inverseProbability.signal(group), [-2 / 3, -2 / 3, -2 / 3, 2]);
  });

  test("all the completions of an answer earn together what it is worth once, whatever their number", () => {
    for (const answers of [
      [0, 0, 0, 1, 2],
      [0, 1, 1, 2, 2],
      [0, 1, 2, 2, 2],
    ]) {
      const group = drawn({ ...TOY, rewards: [1, 0.5, 0] }, answers);
      const advantages = inverseProbability.signal(group);
      // Without the baseline: (1/n) sum of r_i / q_i is the reward of each answer, once each.
      const baseline = [1, 0.5, 0].reduce((a, b) => a + b);
      for (const answer of [0, 1, 2]) {
        let earned = 0;
        for (const [i, own] of answers.entries()) {
          if (own === answer) earned += (advantages[i] + baseline) / answers.length;
        }
        expect(earned).toBeCloseTo([1, 0.5, 0][answer], 12);
      }
    }
  });
});

describe("gated", () => {
  const asked = (right: number, wrong: number) =>
    groupOf({
      outcomes: ["5", "6", "7", null],
      rewards: [1, 0, 0, 0],
      correct: [true, false, false, false],
      history: new Map<string | null, number>([
        ["5", right],
        ["6", wrong],
      ]),
    });

  test("by hand", () => {
    close(gated.signal(asked(3, 5), { atK: 2 }), [0.45, -0.15, -0.15, -0.15]);
  });

  test("is the chance that k - 1 more tries fail, over every p, weighed by what was seen", () => {
    for (const [right, wrong] of [
      [0, 0],
      [0, 8],
      [2, 6],
      [5, 3],
    ]) {
      for (const k of [1, 2, 4, 16]) {
        let seen = 0;
        let failing = 0;
        const STEPS = 20_000;
        for (let i = 0; i < STEPS; i++) {
          const p = (i + 0.5) / STEPS;
          const likelihood = p ** right * (1 - p) ** wrong;
          seen += likelihood;
          failing += likelihood * (1 - p) ** (k - 1);
        }
        const [advantage] = gated.signal(asked(right, wrong), { atK: k });
        expect(advantage / 0.75).toBeCloseTo(failing / seen, 6);
      }
    }
  });
});

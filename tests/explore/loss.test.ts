import { describe, expect, test } from "bun:test";
import {
  type LossBatch,
  type LossSettings,
  type LossType,
  lossNormalizer,
  newLossSums,
  policyLoss,
} from "../../lib/explore/loss.ts";
import golden from "../golden/trl_loss.json";

const lossTypes: LossType[] = ["grpo", "dr_grpo", "dapo", "bnpo"];

/** The golden file's padded batch as concatenated sequences; the rows' padding is dropped. */
function goldenBatch(kind: string) {
  const rows = golden.mask.map((row) => row.lastIndexOf(1) + 1);
  const offsets = [0];
  for (const length of rows) offsets.push(offsets[offsets.length - 1] + length);
  const flat = (padded: number[][]) => padded.flatMap((row, i) => row.slice(0, rows[i]));
  const advantages =
    kind === "token"
      ? golden.tokenAdvantages
      : golden.mask.map((row, i) => row.map(() => golden.sequenceAdvantages[i]));
  const batch = {
    offsets: Uint32Array.from(offsets),
    logprobs: Float64Array.from(flat(golden.logprobs)),
    oldLogprobs: Float64Array.from(flat(golden.oldLogprobs)),
    refLogprobs: Float64Array.from(flat(golden.refLogprobs)),
    advantages: Float64Array.from(flat(advantages)),
    mask: Uint8Array.from(flat(golden.mask)),
  } satisfies LossBatch;
  return { batch, flat, lengths: golden.mask.map((row) => row.reduce((a, b) => a + b, 0)) };
}

describe("TRL's own loss code", () => {
  test("covers every loss type, level, beta, clip range and kind of advantage", () => {
    expect(golden.losses.length).toBe(48);
    expect(golden.losses.some((c) => c.clippedLow > 0 && c.clippedHigh > 0)).toBe(true);
  });

  for (const expected of golden.losses) {
    const { lossType, importanceSamplingLevel: level, beta, epsilonLow, epsilonHigh } = expected;
    const name = `${lossType}, ${level}, beta ${beta}, epsilon ${epsilonLow}/${epsilonHigh}, ${expected.advantages} advantages${expected.klBiasCorrection ? ", corrected" : ""}`;
    test(name, () => {
      const settings = expected as LossSettings;
      const { batch, flat, lengths } = goldenBatch(expected.advantages);
      const gradient = new Float64Array(batch.logprobs.length);
      const sums = policyLoss(batch, lossNormalizer(lengths, settings), settings, gradient);
      expect(Math.abs(sums.loss - expected.loss)).toBeLessThan(1e-12 * Math.abs(expected.loss));
      for (const [t, value] of flat(expected.gradient).entries()) {
        expect(Math.abs(gradient[t] - value)).toBeLessThanOrEqual(1e-14 + 1e-12 * Math.abs(value));
      }
      expect(sums.tokens).toBe(lengths.reduce((a, b) => a + b, 0));
      expect(sums.kl / sums.tokens).toBeCloseTo(expected.kl, 12);
      if (level === "token") {
        // TRL counts clipped tokens in float32.
        expect(sums.clippedLow / sums.tokens).toBeCloseTo(expected.clippedLow, 7);
        expect(sums.clippedHigh / sums.tokens).toBeCloseTo(expected.clippedHigh, 7);
      }
    });
  }
});

/** GRPO with a KL penalty and asymmetric clipping, but for `changed`. */
function settingsWith(changed: Partial<LossSettings>): LossSettings {
  return {
    lossType: "grpo",
    epsilonLow: 0.1,
    epsilonHigh: 0.28,
    beta: 0.04,
    klBiasCorrection: false,
    importanceSamplingLevel: "token",
    maxCompletionLength: 9,
    ...changed,
  };
}

describe("the gradient is the derivative of the loss", () => {
  for (const lossType of lossTypes) {
    for (const level of ["token", "sequence"] as const) {
      test.each([false, true])(`${lossType}, ${level}, corrected: %p`, (klBiasCorrection) => {
        const penalty = { klBiasCorrection, beta: klBiasCorrection ? 0.5 : 0.04 };
        const settings = settingsWith({ lossType, importanceSamplingLevel: level, ...penalty });
        const { batch, lengths } = goldenBatch(level);
        const normalizer = lossNormalizer(lengths, settings);
        const gradient = new Float64Array(batch.logprobs.length);
        policyLoss(batch, normalizer, settings, gradient);
        const scratch = new Float64Array(gradient.length);
        const lossAt = (t: number, shift: number) => {
          const logprobs = batch.logprobs.slice();
          logprobs[t] += shift;
          return policyLoss({ ...batch, logprobs }, normalizer, settings, scratch).loss;
        };
        for (let t = 0; t < gradient.length; t++) {
          const difference = (lossAt(t, 1e-6) - lossAt(t, -1e-6)) / 2e-6;
          expect(Math.abs(gradient[t] - difference)).toBeLessThan(1e-8);
        }
      });
    }
  }

  test("at level sequence, per-token advantages stay with their tokens", () => {
    const settings = settingsWith({ importanceSamplingLevel: "sequence", beta: 0 });
    const gradient = new Float64Array(2);
    const batch: LossBatch = {
      offsets: [0, 2],
      logprobs: Float64Array.of(-1, -2),
      oldLogprobs: Float64Array.of(-1.1, -2.1),
      advantages: Float64Array.of(0.5, -0.25),
    };
    policyLoss(batch, lossNormalizer([2], settings), settings, gradient);
    expect(gradient[0]).toBeCloseTo((-Math.exp(0.1) * 0.5) / 2, 14);
    expect(gradient[1]).toBeCloseTo((Math.exp(0.1) * 0.25) / 2, 14);
  });
});

test("by hand: the first update is -mean(A), gradient -A/(S L)", () => {
  const settings = settingsWith({ beta: 0 });
  const logprobs = Float32Array.of(-0.3, -1.7, -0.2);
  const batch: LossBatch = {
    offsets: [0, 2, 3],
    logprobs,
    oldLogprobs: logprobs,
    advantages: Float32Array.of(0.5, 0.5, -0.25),
  };
  const gradient = new Float32Array(3);
  const sums = policyLoss(batch, lossNormalizer([2, 1], settings), settings, gradient);
  expect([...gradient]).toEqual([-0.125, -0.125, 0.125]);
  expect(sums).toEqual({
    loss: -0.125,
    tokens: 3,
    kl: 0,
    ratio: 3,
    clippedLow: 0,
    clippedHigh: 0,
  });
});

test("by hand: the clip stops a token only in the direction it was already pushed", () => {
  const settings = settingsWith({ lossType: "dapo", beta: 0, epsilonLow: 0.2, epsilonHigh: 0.2 });
  const batch: LossBatch = {
    offsets: [0, 4],
    // Ratios 1/2, 1/2, 2, 2.
    logprobs: Float64Array.from([0.5, 0.5, 2, 2], (ratio) => Math.log(ratio) - 1),
    oldLogprobs: Float64Array.of(-1, -1, -1, -1),
    advantages: Float64Array.of(-1, 1, -1, 1),
  };
  const gradient = new Float64Array(4);
  const sums = policyLoss(batch, lossNormalizer([4], settings), settings, gradient);
  for (const [t, value] of [0, -0.5, 2, 0].entries()) {
    expect(gradient[t]).toBeCloseTo(value / 4, 14);
  }
  expect(sums.loss).toBeCloseTo((0.8 - 0.5 + 2 - 1.2) / 4, 14);
  expect([sums.clippedLow, sums.clippedHigh]).toEqual([1, 1]);
});

test("micro-batching changes no bit", () => {
  for (const lossType of lossTypes) {
    for (const level of ["token", "sequence"] as const) {
      const settings = settingsWith({ lossType, importanceSamplingLevel: level });
      const { batch, lengths } = goldenBatch("token");
      const normalizer = lossNormalizer(lengths, settings);
      const whole = new Float64Array(batch.logprobs.length);
      const wholeSums = policyLoss(batch, normalizer, settings, whole);

      const sums = newLossSums();
      for (const [first, last] of [
        [0, 2],
        [2, 3],
        [3, lengths.length],
      ]) {
        const from = batch.offsets[first];
        const to = batch.offsets[last];
        const part: LossBatch = {
          offsets: batch.offsets.slice(first, last + 1).map((offset) => offset - from),
          logprobs: batch.logprobs.slice(from, to),
          oldLogprobs: batch.oldLogprobs.slice(from, to),
          refLogprobs: batch.refLogprobs.slice(from, to),
          advantages: batch.advantages.slice(from, to),
          mask: batch.mask.slice(from, to),
        };
        const gradient = new Float64Array(to - from);
        policyLoss(part, normalizer, settings, gradient, sums);
        expect([...gradient]).toEqual([...whole.slice(from, to)]);
      }
      expect(sums).toEqual(wholeSums);
    }
  }
});

test("masked tokens and sequences get no gradient, whatever their numbers", () => {
  for (const level of ["token", "sequence"] as const) {
    const settings = settingsWith({ importanceSamplingLevel: level });
    const gradient = new Float64Array(3).fill(Number.NaN);
    const batch: LossBatch = {
      offsets: [0, 2, 3],
      logprobs: Float64Array.of(-1, -5000, -5000),
      oldLogprobs: Float64Array.of(-1, 0, -1),
      refLogprobs: Float64Array.of(-1, 0, -1),
      advantages: Float64Array.of(0.5, 0.5, 0.5),
      mask: Uint8Array.of(1, 0, 0),
    };
    const sums = policyLoss(batch, lossNormalizer([1, 0], settings), settings, gradient);
    expect([...gradient]).toEqual([-0.25, 0, 0]);
    expect(sums.tokens).toBe(1);
    expect(sums.loss).toBe(-0.25);
  }
});

test("a step of masked sequences only is 0, not NaN", () => {
  for (const lossType of lossTypes) {
    const settings = settingsWith({ lossType });
    const { batch } = goldenBatch("sequence");
    batch.mask.fill(0);
    const gradient = new Float64Array(batch.logprobs.length);
    const lengths = golden.mask.map(() => 0);
    const sums = policyLoss(batch, lossNormalizer(lengths, settings), settings, gradient);
    expect(sums.loss).toBe(0);
    expect(gradient.every((value) => value === 0)).toBe(true);
  }
});

test("beta without reference log-probabilities is refused", () => {
  const batch: LossBatch = {
    offsets: [0, 1],
    logprobs: Float64Array.of(-1),
    oldLogprobs: Float64Array.of(-1),
    advantages: Float64Array.of(1),
  };
  expect(() => policyLoss(batch, 1, settingsWith({}), new Float64Array(1))).toThrow(RangeError);
});

test("a step in which every sequence is masked is divided by something", () => {
  for (const lossType of lossTypes) {
    expect(lossNormalizer([0, 0], settingsWith({ lossType }))).toBeGreaterThan(0);
    expect(lossNormalizer([], settingsWith({ lossType }))).toBeGreaterThan(0);
  }
});

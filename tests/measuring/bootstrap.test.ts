import { describe, expect, test } from "bun:test";
import { drawResamples, estimate, estimateDifference } from "../../beyond/measuring/bootstrap.ts";
import type { Ratio } from "../../beyond/measuring/figures.ts";
import { Random } from "../../lib/random.ts";

const floats = (...key: number[]) => {
  const random = new Random(...key);
  return () => random.float();
};
const mean = (of: number[]): Ratio => ({ of, per: of.map(() => 1) });

describe("bootstrap", () => {
  test("covers the true mean in about 95 of 100 experiments", () => {
    const random = new Random(1);
    let covered = 0;
    for (let experiment = 0; experiment < 200; experiment++) {
      const sample = mean(Array.from({ length: 60 }, () => 3 + random.gaussian()));
      const resamples = drawResamples({ questions: 60, seeds: 1 }, floats(2, experiment), 300);
      const { low, high } = estimate([sample], resamples);
      if ((low as number) <= 3 && 3 <= (high as number)) covered++;
    }
    // the standard error of the share is 0.015
    expect(covered / 200).toBeGreaterThan(0.89);
    expect(covered / 200).toBeLessThan(0.99);
  });

  test("a difference is paired: far narrower than the two models apart", () => {
    const random = new Random(3);
    const hardness = Array.from({ length: 100 }, () => random.float());
    const resamples = drawResamples({ questions: 100, seeds: 2 }, floats(4));
    const a = [mean(hardness), mean(hardness)];
    const b = a.map(({ of }) => mean(of.map((x) => x + 0.05 + 0.01 * random.gaussian())));
    const { value, low, high } = estimateDifference(a, b, resamples);
    expect(value as number).toBeCloseTo(0.05, 2);
    const width = (high as number) - (low as number);
    const alone = estimate(a, resamples);
    expect(width).toBeLessThan(((alone.high as number) - (alone.low as number)) / 10);
  });

  test("seeds are drawn anew too: their spread is in the interval", () => {
    const resamples = drawResamples({ questions: 50, seeds: 3 }, floats(5));
    const same = Array.from({ length: 50 }, () => 0);
    const seeds = [0, 1, 2].map((shift) => mean(same.map(() => shift)));
    expect(estimate(seeds, resamples)).toEqual({ value: 1, low: 0, high: 2 });
  });

  test("a ratio of sums, and null where nothing is counted", () => {
    const resamples = drawResamples({ questions: 2, seeds: 1 }, floats(6));
    expect(estimate([{ of: [1, 6], per: [1, 3] }], resamples).value).toBe(7 / 4);
    const nothing = { of: [0, 0], per: [0, 0] };
    expect(estimate([nothing], resamples)).toEqual({ value: null, low: null, high: null });
  });
});

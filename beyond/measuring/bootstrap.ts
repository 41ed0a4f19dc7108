/**
 * Confidence intervals by the percentile bootstrap (Efron 1979): the questions are drawn anew, with
 * replacement, and the figure is computed from those drawn; where there are several seeds, these are drawn
 * anew too. Every figure and every model is computed from the same draws, which makes differences paired.
 *
 * Three seeds can be drawn in ten ways only: an interval over so few is on the narrow side.
 */
import type { Ratio } from "./figures.ts";

/** A figure with its 95 % interval; null where it is not defined, such as the entropy of no tokens. */
export interface Estimate {
  value: number | null;
  low: number | null;
  high: number | null;
}

/** How often each question, and each seed, occurs in each draw. */
export interface Resamples {
  questions: Uint16Array[];
  seeds: Uint16Array[];
}

/** @param random uniform in [0, 1) */
export function drawResamples(
  sizes: { questions: number; seeds: number },
  random: () => number,
  draws = 2000,
): Resamples {
  const draw = (size: number) => {
    const times = new Uint16Array(size);
    for (let i = 0; i < size; i++) times[Math.floor(random() * size)]++;
    return times;
  };
  const many = (size: number) => Array.from({ length: draws }, () => draw(size));
  return { questions: many(sizes.questions), seeds: many(sizes.seeds) };
}

/**
 * The mean over seeds of a figure, each a sum over the same questions.
 * @param seeds the figure, by seed
 */
export function estimate(seeds: readonly Ratio[], resamples: Resamples): Estimate {
  return interval(resamples, (questions, times) => meanOf(seeds, questions, times));
}

/** What is added to a figure by going from model `a` to model `b`: paired by question, and by seed. */
export function estimateDifference(
  a: readonly Ratio[],
  b: readonly Ratio[],
  resamples: Resamples,
): Estimate {
  return interval(
    resamples,
    (questions, times) => meanOf(b, questions, times) - meanOf(a, questions, times),
  );
}

/**
 * The figure itself, without an interval: NaN where it is not defined.
 * @param times how often each question counts; once each if left out
 */
export function quotient({ of, per }: Ratio, times?: Uint16Array): number {
  let numerator = 0;
  let denominator = 0;
  for (let i = 0; i < of.length; i++) {
    const weight = times ? times[i] : 1;
    numerator += weight * of[i];
    denominator += weight * per[i];
  }
  return denominator > 0 ? numerator / denominator : Number.NaN;
}

function meanOf(seeds: readonly Ratio[], questions?: Uint16Array, times?: Uint16Array): number {
  let sum = 0;
  let count = 0;
  for (const [s, ratio] of seeds.entries()) {
    const weight = times ? times[s] : 1;
    if (weight === 0) continue;
    sum += weight * quotient(ratio, questions);
    count += weight;
  }
  return sum / count;
}

function interval(
  { questions, seeds }: Resamples,
  statistic: (questions?: Uint16Array, seeds?: Uint16Array) => number,
): Estimate {
  const drawn = questions
    .map((times, r) => statistic(times, seeds[r]))
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  const defined = (value: number) => (Number.isFinite(value) ? value : null);
  return {
    value: defined(statistic()),
    low: defined(quantile(drawn, 0.025)),
    high: defined(quantile(drawn, 0.975)),
  };
}

/** By linear interpolation between the neighbours; NaN of nothing. */
function quantile(sorted: readonly number[], q: number): number {
  const at = q * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}

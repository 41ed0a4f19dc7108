/**
 * maj@k: how often the commonest answer among k samples is right (self-consistency, Wang et al. 2022,
 * arXiv 2203.11171), averaged over every choice of k of the n samples. Completions without an answer have no vote;
 * a tie is decided by lot, so that each of t tied answers wins one time in t.
 */
import type { QuestionTally } from "./tally.ts";

/** Up to so many samples every subset is taken into account; that costs about n^3 operations. */
export const EXACT_MAJORITY = 128;

/** Subsets drawn where there are more samples. */
const DRAWS = 256;

/**
 * maj@k for each k of `ks`: exact for up to `EXACT_MAJORITY` samples, else the mean over seeded draws.
 * @param random uniform in [0, 1); read only where subsets are drawn
 */
export function majorityAtK(
  tally: QuestionTally,
  ks: readonly number[],
  random: () => number,
): number[] {
  return tally.samples <= EXACT_MAJORITY ? exact(tally, ks) : resampled(tally, ks, random);
}

/**
 * The count of subsets in which answer a has j votes, t - 1 other answers have as many and none has more,
 * by size: a product over answers of polynomials sum_i C(n_b, i) x^i y^[i = j], cut off at i = j.
 * `ways[t][s]` is the coefficient of x^s y^t.
 */
function exact({ samples, answers }: QuestionTally, ks: readonly number[]): number[] {
  const chances = ks.map(() => 0);
  const choose = binomials(samples);
  const subsets = ks.map((k) => choose[samples][k]);
  for (const [a, { outcome, count, correct }] of answers.entries()) {
    if (outcome === null || correct === 0) continue;
    for (let j = 1; j <= count; j++) {
      let ways = [new Float64Array(samples + 1)];
      ways[0][j] = choose[count][j];
      for (const [b, other] of answers.entries()) {
        if (b === a) continue;
        const silent = other.outcome === null;
        const most = silent ? other.count : Math.min(j, other.count);
        const next = [...ways, new Float64Array(0)].map(() => new Float64Array(samples + 1));
        for (const [ties, row] of ways.entries()) {
          for (let size = 0; size <= samples; size++) {
            if (row[size] === 0) continue;
            for (let i = 0; i <= most && size + i <= samples; i++) {
              const tied = !silent && i === j ? 1 : 0;
              next[ties + tied][size + i] += row[size] * choose[other.count][i];
            }
          }
        }
        ways = next[next.length - 1].some((x) => x > 0) ? next : next.slice(0, -1);
      }
      for (const [ties, row] of ways.entries()) {
        for (const [i, k] of ks.entries()) {
          chances[i] += ((row[k] / subsets[i]) * (correct / count)) / (ties + 1);
        }
      }
    }
  }
  return chances;
}

/** C(n, k) for all k <= n <= size, as floating-point numbers: C(128, 64) is 2.4e37. */
function binomials(size: number): Float64Array[] {
  const rows = [new Float64Array([1])];
  for (let n = 1; n <= size; n++) {
    const before = rows[n - 1];
    rows.push(
      Float64Array.from({ length: n + 1 }, (_, k) => (before[k - 1] ?? 0) + (before[k] ?? 0)),
    );
  }
  return rows;
}

/** Draws orders of the samples; the first k of an order are a subset of k. */
function resampled(
  { samples, answers }: QuestionTally,
  ks: readonly number[],
  random: () => number,
): number[] {
  const chances = ks.map(() => 0);
  const order = answers.flatMap(({ count }, a) => Array<number>(count).fill(a));
  for (let draw = 0; draw < DRAWS; draw++) {
    const votes = answers.map(() => 0);
    let drawn = 0;
    for (const [i, k] of ks.entries()) {
      for (; drawn < k; drawn++) {
        const other = drawn + Math.floor(random() * (samples - drawn));
        [order[drawn], order[other]] = [order[other], order[drawn]];
        if (answers[order[drawn]].outcome !== null) votes[order[drawn]]++;
      }
      const most = Math.max(...votes);
      if (most === 0) continue;
      const tied = answers.filter((_, a) => votes[a] === most);
      const right = tied.reduce((sum, { correct, count }) => sum + correct / count, 0);
      chances[i] += right / tied.length / DRAWS;
    }
  }
  return chances;
}

/**
 * Chapter 5: measuring correctness and diversity without bias.
 *
 * From n samples one can say what k <= n samples would have shown, averaged over every choice of k of
 * them; drawing k once would say the same with far more noise.
 */
import type { Outcome } from "../../lib/explore/counter.ts";

/**
 * pass@k = 1 - C(n - c, k) / C(n, k): the chance that k of the n samples, drawn without
 * replacement, hold at least one of the c correct ones (Chen et al. 2021, arXiv 2107.03374). The
 * quotient is computed as the product over i = n-c+1..n of (1 - k/i): no large factorials.
 *
 * @throws RangeError unless 0 <= c <= n and 1 <= k <= n
 */
export function passAtK(n: number, c: number, k: number): number {
  if (!(c >= 0 && c <= n && k >= 1 && k <= n)) {
    throw new RangeError(`pass@k needs 0 <= c <= n and 1 <= k <= n: n = ${n}, c = ${c}, k = ${k}`);
  }
  let allWrong = 1;
  for (let i = n - c + 1; i <= n; i++) allWrong *= Math.max(0, 1 - k / i);
  return 1 - allWrong;
}

/**
 * The expected number of different answers among k of the n samples, by rarefaction (Hurlbert 1971):
 *
 *     sum over answers a of [1 - C(n - n_a, k) / C(n, k)]
 *
 * that is, the sum over answers of the chance to meet them: pass@k with each answer in turn taken for
 * the correct one. Completions without an answer count as samples and are no answer.
 *
 * @param counts n_a of each outcome, as from `tallyOutcomes` or a counter
 */
export function distinctAtK(counts: ReadonlyMap<Outcome, number>, k: number): number {
  let n = 0;
  for (const count of counts.values()) n += count;
  let expected = 0;
  for (const [outcome, count] of counts) {
    if (outcome !== null) expected += passAtK(n, count, k);
  }
  return expected;
}

/** The number of different answers in a group; no answer (`null`) is not one of them. */
export function distinctAnswers(outcomes: Iterable<Outcome>): number {
  const answers = new Set(outcomes);
  answers.delete(null);
  return answers.size;
}

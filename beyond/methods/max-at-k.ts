import type { AdvantageMethod } from "../../lib/explore/method.ts";
import { atK, roomFor } from "./at-k.ts";

/**
 * A_i = k (mean of max(r over S) over the subsets S of k that hold i, less the same over all subsets of k): pass@k for
 * graded rewards, the best of k tries (Bagirov et al. 2025, arXiv 2510.23393; Walder and Karkhanis 2025, arXiv
 * 2505.15201. Of both, the beginning and summaries could be read; the sums below are ours, and the test counts subsets).
 *
 * In order of rising reward, r_(j) is the best of C(j-1, k-1) subsets. Those that hold i as well: C(j-2, k-2) if i
 * stands before j, all if it is j, none if it stands after. With rewards of 0 and 1 it is pass-at-k.
 *
 *     rewards 1 .5 0 0, k = 2: all pairs reach (1+1+1+.5+.5+0)/6 = 2/3, A = 2/3, 0, -1/3, -1/3
 */
export const maxAtK = {
  name: "max-at-k",
  readsHistory: false,
  parameters: { atK },
  signal({ rewards }, parameters) {
    const n = rewards.length;
    const k = roomFor(parameters.atK, n);
    const order = Array.from(rewards, (_, i) => i).sort((a, b) => rewards[a] - rewards[b]);
    const sorted = order.map((i) => rewards[i]);
    // Chances that the j-th (from 0) is the best of a subset, and of one that holds an earlier place as well.
    const best = sorted.map((_, j) => (chance(j, k - 1, n - 1) * k) / n);
    const bestBeside = sorted.map((_, j) =>
      k > 1 ? (chance(j - 1, k - 2, n - 2) * (k - 1)) / (n - 1) : 0,
    );
    const advantages = new Float64Array(n);
    // Differences from the least reward, so that equal rewards give exactly 0.
    const above = sorted.map((reward) => reward - sorted[0]);
    const all = above.reduce((sum, reward, j) => sum + reward * best[j], 0);
    let later = above.reduce((sum, reward, j) => sum + reward * bestBeside[j], 0);
    for (const [place, i] of order.entries()) {
      later -= above[place] * bestBeside[place];
      const own = above[place] * chance(place, k - 1, n - 1);
      advantages[i] = above[n - 1] === 0 ? 0 : k * (own + later - all);
    }
    return advantages;
  },
} satisfies AdvantageMethod;

/** C(a, k) / C(b, k), for a <= b: the chance that k of b are all among a. */
function chance(a: number, k: number, b: number): number {
  let chance = 1;
  for (let i = 0; i < k; i++) chance *= Math.max(0, a - i) / (b - i);
  return chance;
}

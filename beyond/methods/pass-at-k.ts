import type { AdvantageMethod } from "../../lib/explore/method.ts";
import { passAtK } from "../measuring/estimators.ts";
import { atK, roomFor } from "./at-k.ts";

/**
 * With c of n completions right, and pass(n, c, k) the chance that k of them hold a right one,
 *
 *     A_i = k (1 - pass(n, c, k))                        if i is right
 *     A_i = k (pass(n - 1, c, k - 1) - pass(n, c, k))    if i is wrong
 *
 * k times what all subsets of k that hold i reach on the average, less what all subsets of k do (pass@k training: Chen
 * et al. 2025, arXiv 2508.10751, formula from the authors' code, which divides by the deviation of pass@k where this
 * multiplies by k, as our GRPO does not divide either; k samples at once: Tang et al. 2025, arXiv 2503.19595).
 * It asks for one success in k tries, and stops pulling where that is certain. In expectation it is (1 - k/n) times
 * the gradient of pass@k; k = 1 is GRPO. Right and wrong alone count, not rewards.
 *
 *     n = 4, c = 1, k = 2: pass@2 = 1/2, right A = 2 (1 - 1/2) = 1, wrong A = 2 (1/3 - 1/2) = -1/3
 */
export const passAtKAdvantage = {
  name: "pass-at-k",
  readsHistory: false,
  parameters: { atK },
  signal({ correct }, parameters) {
    const n = correct.length;
    const k = roomFor(parameters.atK, n);
    const c = correct.filter((right) => right).length;
    const all = passAtK(n, c, k);
    const beside = k > 1 ? passAtK(n - 1, Math.min(c, n - 1), k - 1) : 0;
    return Float64Array.from(correct, (right) => k * ((right ? 1 : beside) - all));
  },
} satisfies AdvantageMethod;

import { grpo } from "../../lib/explore/advantages/grpo.ts";
import type { AdvantageMethod } from "../../lib/explore/method.ts";
import { atK } from "./at-k.ts";

/**
 * A_i = (r_i - mean(r)) k (1 - p_i)^(k-1), with p_i the mean reward of the other completions, within [0, 1]: GRPO's
 * advantage times the derivative k (1-p)^(k-1) of pass@k = 1 - (1-p)^k, at a p that does not know r_i. (Ours, after
 * the same objective as pass-at-k; not a formula of a paper.)
 *
 * It differs from pass-at-k: there the chance that k - 1 others fail is counted over subsets without replacement, here
 * it is a power of an estimate. The estimate is right on average for k <= 2, and too large for greater k. k may exceed n.
 *
 *     rewards 1 0 0 0, k = 2: p = 0 1/3 1/3 1/3, A = 3/4 * 2 * 1 = 3/2 and -1/4 * 2 * 2/3 = -1/3
 */
export const leaveOneOutK = {
  name: "leave-one-out-k",
  readsHistory: false,
  parameters: { atK },
  signal(group, { atK: k }) {
    const { rewards } = group;
    const n = rewards.length;
    let sum = 0;
    for (let i = 0; i < n; i++) sum += rewards[i];
    return grpo.signal(group).map((advantage, i) => {
      const others = n > 1 ? (sum - rewards[i]) / (n - 1) : 0;
      const p = Math.min(1, Math.max(0, others));
      return advantage === 0 ? 0 : advantage * k * (1 - p) ** (k - 1);
    });
  },
} satisfies AdvantageMethod;

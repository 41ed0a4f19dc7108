import { mean } from "../../lib/explore/mean.ts";
import type { AdvantageMethod } from "../../lib/explore/method.ts";

/**
 * A_i = (r_i - mean(r)) / mean(r), and 0 where the mean is not above 0. MaxRL: maximum likelihood by reinforcement
 * learning (Tajwar et al. 2026, arXiv 2602.02710; formula as others implement it, among them prime-rl).
 *
 * Where GRPO climbs p, the chance of success, this climbs log p = -sum over k of (1-p)^k / k: questions that are rarely
 * solved pull as hard as easy ones. Of n completions it is exactly the gradient of the first n - 1 terms of that sum
 * (tests/methods/; a mean over the right completions alone has one term more), so that more come nearer to log p. Made
 * for rewards of 0 or more.
 *
 *     rewards 1 0 0 0: mean 1/4, A = 3 -1 -1 -1      rewards 1 1 1 0: mean 3/4, A = 1/3 1/3 1/3 -1
 */
export const maxrl = {
  name: "maxrl",
  readsHistory: false,
  parameters: {},
  signal({ rewards }) {
    const center = mean(rewards);
    return Float64Array.from(rewards, (r) => (center > 0 ? (r - center) / center : 0));
  },
} satisfies AdvantageMethod;

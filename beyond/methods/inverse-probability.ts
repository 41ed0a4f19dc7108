import { grpo } from "../../lib/explore/advantages/grpo.ts";
import type { AdvantageMethod } from "../../lib/explore/method.ts";

/**
 * GRPO's advantage of r_i / q_i, where q_i is the share of the group that gave the answer of i (IPS-GRPO: Sinha, Elango,
 * Liu 2026, arXiv 2601.21669. The abstract alone could be read: reward over the probability of the outcome. That the
 * probability is estimated by the share of the group is our reading, and nothing is clipped).
 *
 * Under GRPO an answer that is given four times is pulled four times. Here the completions of an answer share one pull:
 * two right answers rise alike, however often each was given, and the policy comes to give both. What gave no answer
 * counts as one answer.
 *
 *     answers a a a b, rewards 1 1 1 1: q = 3/4 3/4 3/4 1/4, earned 4/3 4/3 4/3 4, mean 2, A = -2/3 -2/3 -2/3 2
 */
export const inverseProbability = {
  name: "inverse-probability",
  readsHistory: false,
  parameters: {},
  signal(group) {
    const { outcomes, rewards } = group;
    const earned = outcomes.map((outcome, i) => {
      const alike = outcomes.filter((other) => other === outcome).length;
      return (rewards[i] * outcomes.length) / alike;
    });
    return grpo.signal({ ...group, rewards: earned });
  },
} satisfies AdvantageMethod;

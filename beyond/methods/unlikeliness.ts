import { grpo } from "../../lib/explore/advantages/grpo.ts";
import type { AdvantageMethod } from "../../lib/explore/method.ts";
import { surprises } from "./surprise.ts";

/**
 * GRPO's advantage of r_i (1 - beta rank_i / n), where rank_i is the number of completions of the group that are less
 * likely than i by their mean log-probability of a token; equals share their ranks (He, Fried, Welleck 2025, arXiv
 * 2506.02355; formula and beta from the authors' code, which divides by the group's deviation, as
 * `--scale-rewards group` does).
 *
 * Of two right completions the likelier earns less, which counters that what is likely is drawn, and so reinforced,
 * more often. A wrong one, of reward 0, keeps its 0.
 *
 *     rewards 1 1 0 0, mean log-probabilities -1 -2 -3 -4, beta = 1/4: ranks 3 2 1 0,
 *     earned 13/16 7/8 0 0, mean 27/64, A = 25/64 29/64 -27/64 -27/64
 */
export const unlikeliness = {
  name: "unlikeliness",
  readsHistory: false,
  parameters: {
    rankPenalty: {
      default: 0.25,
      min: 0,
      max: 1,
      help: "The beta of unlikeliness: what the likeliest completions lose of their reward.",
      source: "He et al. 2025",
    },
  },
  signal(group, { rankPenalty }) {
    const { logprobs, rewards } = group;
    const likely = surprises(logprobs).map((sum, i) => -sum / Math.max(1, logprobs[i].length));
    const earned = likely.map((own, i) => {
      const below = likely.filter((other) => other < own).length;
      const equal = likely.filter((other) => other === own).length - 1;
      return rewards[i] * (1 - (rankPenalty * (below + equal / 2)) / likely.length);
    });
    return grpo.signal({ ...group, rewards: earned });
  },
} satisfies AdvantageMethod;

import { grpo } from "../../lib/explore/advantages/grpo.ts";
import type { AdvantageMethod } from "../../lib/explore/method.ts";
import { surprises } from "./surprise.ts";

/**
 * GRPO's advantage of r_i - gamma log pi(y_i | x) if i is right, and of r_i if it is wrong (after Gai, Zeng, Zhang,
 * Raghunathan 2025, arXiv 2511.19942. The abstract and summaries could be read: the reward is changed on right
 * completions alone, by their log-probability. What the paper does to wrong ones, and its gamma, could not be read).
 *
 * Right completions that are unlikely earn more than likely ones, which spreads probability among the right ones
 * without paying for wrong ones, as an entropy bonus does. It climbs (1 + gamma) p + gamma H, where H is the sum over
 * right completions of -pi log pi. Long completions are less likely, and so earn more: gamma is small for that.
 *
 *     right, right, wrong, wrong, log pi = -2 -4 -1 -1, gamma = 1/10: earned 12/10 14/10 0 0, mean 13/20,
 *     A = 11/20 15/20 -13/20 -13/20
 */
export const differentialSmoothing = {
  name: "differential-smoothing",
  readsHistory: false,
  parameters: {
    smoothing: {
      default: 0.01,
      min: 0,
      max: 1,
      help: "The gamma of differential-smoothing: what a right completion earns for each nat of its surprise.",
      source: "ours, not swept",
    },
  },
  signal(group, { smoothing }) {
    const earned = surprises(group.logprobs).map(
      (surprise, i) => group.rewards[i] + (group.correct[i] ? smoothing * surprise : 0),
    );
    return grpo.signal({ ...group, rewards: earned });
  },
} satisfies AdvantageMethod;

import type { AdvantageMethod } from "../../lib/explore/method.ts";

/**
 * A_i = lambda if i is right, -1 if it is wrong: weighted REINFORCE; with lambda = 0, negative-sample reinforcement
 * alone (Zhu et al. 2025, arXiv 2506.01347; formula and lambda from the authors' code). There is no baseline.
 *
 * What is wrong is pushed down and its probability goes to whatever else the model finds likely; what is right is
 * hardly pushed up, so that it does not crowd out other right answers. On the average over all groups each lambda has
 * the direction of the gradient of p, 1 + lambda times it: what differs is which completions carry it, and so how it
 * varies, is clipped, and shared among tokens. Right and wrong alone count, not rewards.
 *
 *     right wrong wrong right, lambda = 1/10: A = 1/10 -1 -1 1/10
 */
export const negativeSamples = {
  name: "negative-samples",
  readsHistory: false,
  parameters: {
    positiveWeight: {
      default: 0.1,
      min: 0,
      max: 1,
      help: "The lambda of negative-samples: the advantage of right completions; that of wrong ones is -1.",
      source: "Zhu et al. 2025",
    },
  },
  signal: ({ correct }, { positiveWeight }) =>
    Float64Array.from(correct, (right) => (right ? positiveWeight : -1)),
} satisfies AdvantageMethod;

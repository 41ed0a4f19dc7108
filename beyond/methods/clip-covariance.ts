import { grpo } from "../../lib/explore/advantages/grpo.ts";
import { mean } from "../../lib/explore/mean.ts";
import type { ExplorationMethod, Group } from "../../lib/explore/method.ts";

/**
 * B_it = -(r_i - mean r) on the tokens whose covariance is highest, 0 on all others: with the coefficient 1 and the
 * advantages of GRPO, the reward does not move these tokens (Clip-Cov of Cui et al. 2025, arXiv 2505.22617, read in the
 * code that verl took from the authors).
 *
 *     covariance of token t of i = (log pi(y_it) - its mean) (A_i - its mean),    means over the tokens of the group
 *
 * A likely token with a high advantage is what takes entropy away, and a few tokens take nearly all of it. The authors
 * draw 0.02 % of a batch's tokens at random from those between two bounds (1 and 5, for advantages that are divided by
 * the deviation); here the highest of each group are taken, one at least, so that nothing hangs on a scale or on chance.
 *
 *     rewards 1 0, log pi = (-1 -3) (-2 -2), a share of 1/4:
 *     A = 1/2 -1/2, covariances (1/2 -1/2) (0 0), B = (-1/2 0) (0 0)
 */
export const clipCovariance = {
  name: "clip-covariance",
  readsHistory: false,
  parameters: {
    clippedShare: {
      default: 0.02,
      min: 0,
      max: 1,
      help: "The share of a group's tokens that clip-covariance keeps the reward from.",
      source: "our choice; 0.0002 in Cui et al. 2025",
    },
  },
  signal: ({ outcomes }) => new Float64Array(outcomes.length),
  tokens(group, { clippedShare }) {
    const advantages = grpo.signal(group);
    const kept = group.logprobs.map(({ length }) => new Float64Array(length));
    if (clippedShare === 0) return kept;
    const tokens = covariances(group, advantages).sort((a, b) => b.covariance - a.covariance);
    const most = Math.max(1, Math.floor(clippedShare * tokens.length));
    for (const { i, t, covariance } of tokens.slice(0, most)) {
      if (covariance > 0) kept[i][t] = -advantages[i];
    }
    return kept;
  },
} satisfies ExplorationMethod;

/** Of every token t of every completion i, in their order. */
function covariances({ logprobs }: Group, advantages: ArrayLike<number>) {
  const tokens = logprobs.flatMap((of, i) =>
    Array.from(of, (logprob, t) => ({ i, t, logprob, advantage: advantages[i] })),
  );
  const likely = mean(tokens.map(({ logprob }) => logprob));
  const center = mean(tokens.map(({ advantage }) => advantage));
  return tokens.map(({ i, t, logprob, advantage }) => ({
    i,
    t,
    covariance: (logprob - likely) * (advantage - center),
  }));
}

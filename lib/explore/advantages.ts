/**
 * Chapter 3: advantages.
 *
 * GRPO has no value network: the n completions of a question are each other's baseline,
 * A_i = r_i - mean(r) (Shao et al. 2024, arXiv 2402.03300; without the division by the standard
 * deviation, which favours very easy and very hard questions: Liu et al. 2025, arXiv 2503.20783).
 * The policy is then moved along the total signal A_i + c B_i, token by token.
 */

/**
 * What divides A_i: nothing, the standard deviation of the group's rewards, or that of all rewards
 * of the step. Sample deviation (ddof 1) plus 1e-4, as TRL does.
 */
export type ScaleRewards = "none" | "group" | "batch";

/** Which tokens carry the exploration term: all, or only those before the final answer. */
export type ExploreTokens = "all" | "reasoning";

/** Keeps the division finite when all rewards are equal (TRL's constant). */
const STD_EPSILON = 1e-4;

/** The mean, exact when all values are equal (so that equal rewards give advantages of exactly 0). */
function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] - values[0];
  return values[0] + sum / values.length;
}

/** Sample standard deviation (ddof 1); 0 for a single value. */
function sampleStd(values: ArrayLike<number>): number {
  const center = mean(values);
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += (values[i] - center) ** 2;
  return Math.sqrt(squares / Math.max(1, values.length - 1));
}

/**
 * A_i = (r_i - mean of the group) / scale, for every group of a step.
 *
 * @param groups rewards of each group
 * @returns advantages of each group, in the same shape
 */
export function rewardAdvantages(
  groups: readonly ArrayLike<number>[],
  scaleRewards: ScaleRewards,
): Float64Array[] {
  const batchStd =
    scaleRewards === "batch" ? sampleStd(groups.flatMap((rewards) => Array.from(rewards))) : 0;
  return groups.map((rewards) => {
    const center = mean(rewards);
    const std = scaleRewards === "group" ? sampleStd(rewards) : batchStd;
    const scale = scaleRewards === "none" ? 1 : std + STD_EPSILON;
    return Float64Array.from(rewards, (reward) => (reward - center) / scale);
  });
}

/**
 * Whether a group moves the policy. Only a group whose *total* signal is zero on every token may be
 * skipped: a group with equal rewards still has an exploration term to learn from. (And under a KL
 * penalty no group may be: its tokens are still pulled towards the reference policy.)
 */
export function hasSignal(
  advantages: ArrayLike<number>,
  exploration: ArrayLike<number>,
  exploreTokens: ExploreTokens,
): boolean {
  for (let i = 0; i < advantages.length; i++) {
    if (advantages[i] + exploration[i] !== 0) return true;
    // The tokens of the answer carry A_i alone.
    if (exploreTokens === "reasoning" && advantages[i] !== 0) return true;
  }
  return false;
}

/**
 * Writes the advantage of each token of one completion into `out[offset..offset + length)`:
 *
 *     t < end     A_i + c B_i      (end = length for "all", answerStart for "reasoning")
 *     t >= end    A_i
 *
 * Under "reasoning" a policy cannot collect the bonus by varying the answer under the same
 * reasoning. The tokens after the answer are excluded as well: the first of them says where the answer
 * ends (12 or 123), and none of them can have led to it.
 *
 * @param answerStart index within the completion of the first token of the final answer; `length`
 *   when there is no answer, so that the whole completion is reasoning
 */
export function writeTokenAdvantages(
  out: Float32Array | Float64Array,
  offset: number,
  completion: { readonly length: number; readonly answerStart: number },
  advantage: number,
  exploration: number,
  exploreTokens: ExploreTokens,
): void {
  const { length, answerStart } = completion;
  const end = offset + (exploreTokens === "all" ? length : Math.min(answerStart, length));
  out.fill(advantage + exploration, offset, end);
  out.fill(advantage, end, offset + length);
}

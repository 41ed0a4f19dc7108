/**
 * Chapter 3: advantages.
 *
 * How much better a completion is than its group, A_i, is told by one file of `advantages/` and its place in the list
 * below. The policy is then moved along the total signal A_i + c B_i, token by token.
 */
import { grpo } from "./advantages/grpo.ts";
import { mean } from "./mean.ts";
import type { AdvantageMethod, Group } from "./method.ts";

export const advantages = [grpo] as const;

/** What gives A_i, with its parameters. */
export interface Advantage {
  readonly method: AdvantageMethod;
  readonly parameters: Readonly<Record<string, number>>;
}

/**
 * What divides A_i: nothing, the standard deviation of the group's rewards, or that of all rewards
 * of the step. Sample deviation (ddof 1) plus 1e-4, as TRL does.
 */
export type ScaleRewards = "none" | "group" | "batch";

/** Which tokens carry the exploration term: all, or only those before the final answer. */
export type ExploreTokens = "all" | "reasoning";

/** Keeps the division finite when all rewards are equal (TRL's constant). */
const STD_EPSILON = 1e-4;

/** Sample standard deviation (ddof 1); 0 for a single value. */
function sampleStd(values: ArrayLike<number>): number {
  const center = mean(values);
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += (values[i] - center) ** 2;
  return Math.sqrt(squares / Math.max(1, values.length - 1));
}

/** A_i / scale of every completion [n], for every group of a step; a group may be empty. */
export function rewardAdvantages(
  groups: readonly Group[],
  { method, parameters }: Advantage,
  scaleRewards: ScaleRewards,
): Float64Array[] {
  const batchStd =
    scaleRewards === "batch" ? sampleStd(groups.flatMap(({ rewards }) => Array.from(rewards))) : 0;
  return groups.map((group) => {
    if (group.rewards.length === 0) return new Float64Array();
    const std = scaleRewards === "group" ? sampleStd(group.rewards) : batchStd;
    const scale = scaleRewards === "none" ? 1 : std + STD_EPSILON;
    return method.signal(group, parameters).map((advantage) => advantage / scale);
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
 *     t < end     A_i + c B_i + c B_it     (end = length for "all", answerStart for "reasoning")
 *     t >= end    A_i
 *
 * Under "reasoning" a policy cannot collect the bonus by varying the answer under the same
 * reasoning. The tokens after the answer are excluded as well: the first of them says where the answer
 * ends (12 or 123), and none of them can have led to it.
 *
 * @param tokenExploration c B_it of each token [length], where a bonus tells tokens apart
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
  tokenExploration?: ArrayLike<number>,
): void {
  const { length, answerStart } = completion;
  const end = offset + (exploreTokens === "all" ? length : Math.min(answerStart, length));
  out.fill(advantage + exploration, offset, end);
  if (tokenExploration) {
    for (let at = offset; at < end; at++) out[at] += tokenExploration[at - offset];
  }
  out.fill(advantage, end, offset + length);
}

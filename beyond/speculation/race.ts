import { threefry2x32 } from "../../lib/model/threefry.ts";

/** Which draw it is: the key of (seed, step, slot), the completion's number, and the token's place in it. */
export interface Draw {
  key: readonly [number, number];
  sample: number;
  position: number;
  /** Whether there is nothing random about it. */
  greedy: boolean;
}

/** A token that may come next, and how likely it is thought to be. */
export interface Candidate {
  token: number;
  probability: number;
}

/** How much it tells that one is ahead of the next: the probabilities are those of an earlier policy. */
const STEEPNESS = 4;
/** What no candidate stands for is never less likely than this. */
const LEAST_UNSEEN = 0.005;

/**
 * The candidate that wins the race by which shaders/sample.wgsl draws, argmax of p_v / E_v: the noise E_v of a draw is
 * known before the draw, so that the token is foreseen as well as the probabilities are known, and not only as often
 * as the likeliest comes.
 * @returns its token, and how likely the draw is to give that: that no other candidate, nor a token that is none,
 * was ahead of it
 */
export function foresee(
  candidates: readonly Candidate[],
  { key, sample, position, greedy }: Draw,
): { token: number; chance: number } {
  const ofRow = threefry2x32(key, [sample, position]);
  let [token, first, second, seen] = [-1, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 0];
  for (const candidate of candidates) {
    const time = (greedy ? 1 : exponential(ofRow, candidate.token)) / candidate.probability;
    seen += candidate.probability;
    if (time < first) [token, first, second] = [candidate.token, time, first];
    else if (time < second) second = time;
  }
  const unseen = Math.max(LEAST_UNSEEN, 1 - seen);
  // all others together arrive after an exponential time of their rate
  const aheadOfUnseen = greedy ? Number(first * unseen < 1) : Math.exp(-unseen * first);
  return { token, chance: aheadOfUnseen / (1 + (first / second) ** STEEPNESS) };
}

/** E_v of a draw, as the shader has it, but for rounding. */
function exponential(key: readonly [number, number], token: number): number {
  const word = threefry2x32(key, [token >>> 1, 0])[token & 1];
  return -Math.log(((word >>> 9) + 0.5) / 2 ** 23);
}

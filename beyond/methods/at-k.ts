import type { MethodParameter } from "../../lib/explore/method.ts";

/** The k of every method that has one, so that one flag says it. */
export const atK = {
  default: 4,
  min: 1,
  max: 2 ** 16,
  whole: true,
  help: "The k of pass-at-k, max-at-k (both below --num-generations), leave-one-out-k and gated.",
  source: "ours",
} satisfies MethodParameter;

/**
 * The k that a group of n has room for: a subset of k must leave one out. A run is refused a k that never has room;
 * a group is smaller than --num-generations where completions are left out of learning.
 */
export const roomFor = (k: number, n: number): number => Math.max(1, Math.min(k, n - 1));

import type { ExplorationMethod } from "../../lib/explore/method.ts";
import { batch } from "../../lib/explore/methods/batch.ts";

/**
 * B_i = -(1/n) #{j != i : a_j = a_i} where i is wrong, 0 where it is right: `batch` that charges for repeating a mistake
 * and not for repeating what is right. Ours.
 *
 * Its step is (1 - 1/n) / 2 times the gradient of -sum over wrong answers a of pi(a)^2, how often two wrong answers are
 * one. It spreads what is wrong, where a question that is not solved still has its answer to find, and takes nothing
 * from what is solved.
 *
 *     answers 3 3 4 4, of which 3 is right: B = 0 0 -1/4 -1/4
 */
export const batchWrong = {
  name: "batch-wrong",
  readsHistory: false,
  parameters: {},
  signal: (group) => batch.signal(group).map((b, i) => (group.correct[i] ? 0 : b)),
} satisfies ExplorationMethod;

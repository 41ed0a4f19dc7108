import type { Group } from "../../lib/explore/method.ts";

/**
 * A group to try methods on: question x was asked before, and its answers "5", "6", "7" and "8" were seen 1, 2, 4 and 16
 * times. Now "5", which is right, "6" twice, "7", a new "9", and a completion without an answer.
 */
export const EXAMPLE: Group = {
  question: "2+3=",
  outcomes: ["5", "6", "6", "7", "9", null],
  counts: [1, 2, 2, 4, 0, 3],
  history: new Map<string | null, number>([
    ["5", 1],
    ["6", 2],
    ["7", 4],
    ["8", 16],
    [null, 3],
  ]),
  correct: [true, false, false, false, false, false],
  rewards: [1, 0, 0, 0.25, 0, 0],
  parts: [1, 0, 0, 0.25, 0, 0].map((correct) => ({ correct })),
  logprobs: [[-0.5, -0.25], [-1, -0.5], [-1, -0.5], [-2, -0.25], [-4, -1], [-3]],
  entropies: [[1, 0.5], [1, 0.75], [1, 0.75], [1.5, 0.5], [2, 1], [2]],
  truncated: [false, false, false, false, false, true],
  step: 3,
  maxSteps: 10,
};

import type { ExplorationMethod } from "../method.ts";

/**
 * B_i = -(1/n) #{j != i : a_j = a_i}: answers repeated within the group cost. It needs no history at all, and asks for
 * diversity now rather than over the whole run.
 */
export const batch = {
  name: "batch",
  readsHistory: false,
  parameters: {},
  signal({ outcomes }) {
    const repeats = (outcome: string | null) =>
      outcomes.filter((other) => other === outcome).length - 1;
    // 0 - x, so that no repeat is +0
    return Float64Array.from(outcomes, (outcome) => (0 - repeats(outcome)) / outcomes.length);
  },
} satisfies ExplorationMethod;

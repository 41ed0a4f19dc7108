import { type ExplorationMethod, historicalBonus } from "../method.ts";

/** B_i = b_i - mean of b_j over j != i: how rare an answer is beside the rest of its group. */
export const ucbMean = {
  name: "ucb-mean",
  readsHistory: true,
  parameters: {},
  signal({ counts }) {
    const bonuses = Float64Array.from(counts, historicalBonus);
    return bonuses.map((bonus) => {
      // A mean of differences, so that equal bonuses give exactly 0.
      let sum = 0;
      for (const other of bonuses) sum += bonus - other;
      return sum / Math.max(1, bonuses.length - 1);
    });
  },
} satisfies ExplorationMethod;

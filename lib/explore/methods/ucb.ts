import { type ExplorationMethod, historicalBonus } from "../method.ts";

/**
 * B_i = b_i = min(1, 1/sqrt(N(x, a_i))): rare answers are worth more. It only ever rewards, so under it every answer
 * rises with its bonus.
 */
export const ucb = {
  name: "ucb",
  readsHistory: true,
  parameters: {},
  signal: ({ counts }) => Float64Array.from(counts, historicalBonus),
} satisfies ExplorationMethod;

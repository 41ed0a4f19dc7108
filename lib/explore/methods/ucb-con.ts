import { type ExplorationMethod, historicalBonus } from "../method.ts";

/** B_i = b_i - b0: with b0 = 1/2, an answer seen more than four times costs; with b0 = 1 every repetition does. */
export const ucbCon = {
  name: "ucb-con",
  readsHistory: true,
  parameters: {
    b0: {
      default: 0.5,
      min: 0,
      max: 1,
      help: "Baseline of ucb-con: an answer seen under 1/b0^2 times is rewarded, a commoner one punished.",
      source: "Song et al. 2025, on its harder data; 1 on its easy data",
    },
  },
  signal: ({ counts }, { b0 }) => Float64Array.from(counts, (count) => historicalBonus(count) - b0),
} satisfies ExplorationMethod;

import type { MethodChoice, Setup } from "../messages.ts";
import { EXAMPLE } from "../trainer/own-method.ts";

/** The ways to explore that can be chosen, each in a few words. */
export const METHODS: Readonly<Record<string, string>> = {
  none: "plain GRPO",
  ucb: "rare answers are worth more",
  "ucb-mean": "rarer than the rest of the group",
  "ucb-con": "rarer than a constant b0",
  batch: "repeating an answer costs",
  "ucb-con,batch": "both of these",
  own: "your own JavaScript",
};

const choice = (explore: string, coefficient = 0.2): MethodChoice => ({
  explore,
  coefficients: explore.split(",").map(() => coefficient),
  b0: 0.5,
  code: EXAMPLE,
});

export const DEFAULT_SETUP: Setup = {
  seed: 42,
  promptsPerStep: 16,
  numGenerations: 8,
  learningRate: 1e-4,
  questions: 512,
  evalSteps: 10,
  methods: [choice("none"), choice("batch", 0.8)],
};

/** The same choice with another method; a sum has a coefficient for each. */
export function withMethod(before: MethodChoice, explore: string): MethodChoice {
  const [first = 0.2] = before.coefficients;
  return { ...before, explore, coefficients: explore.split(",").map(() => first) };
}

/** What a side is called. */
export const nameOf = ({ explore }: MethodChoice): string =>
  explore === "own" ? "your own" : explore;

/** What two sides are called, which may have the same method. */
export function namesOf({ methods }: Setup): [string, string] {
  const [left, right] = methods.map(nameOf);
  return left === right ? [`${left}, left`, `${right}, right`] : [left, right];
}

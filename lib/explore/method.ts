/**
 * What a method is made of. One object in one file says everything of it:
 *
 *     export const mine = {
 *       name: "mine",                 as --explore or --advantage has it
 *       readsHistory: false,          whether it means nothing until questions are asked again
 *       parameters: { tau: { default: 1, min: 0, max: 9, help: "...", source: "..." } },     --tau
 *       signal: ({ rewards }, { tau }) => Float64Array.from(rewards, (reward) => tau * reward),
 *     } satisfies ExplorationMethod;
 *
 * A bonus (`methods/`, listed in bonus.ts) gives B_i, an advantage (`advantages/`, listed in advantages.ts) gives A_i;
 * the policy moves along A_i + c B_i. Both see the same group. The list of the file's kind is the only other place to
 * touch: flags, help, checks, reports and `compare` read it.
 */
import type { Outcome } from "./counter.ts";

/** The n completions of one question that are learned from. All arrays have length n. */
export interface Group {
  readonly question: string;
  readonly outcomes: readonly Outcome[];
  /** N(x, a_i) before this step. */
  readonly counts: ArrayLike<number>;
  /** N(x, a) before this step, of every outcome the question ever had. */
  readonly history: ReadonlyMap<Outcome, number>;
  /** Which of them are right, whatever they earned. */
  readonly correct: readonly boolean[];
  /** r_i. */
  readonly rewards: ArrayLike<number>;
  /** What the parts of r_i were before they were weighted. */
  readonly parts: readonly Readonly<Record<string, number | null>>[];
  /** Of each token, at the sampling temperature [n][L_i]; the end token is one of them. */
  readonly logprobs: readonly ArrayLike<number>[];
  /** Of the distribution each token was drawn from, in nats [n][L_i]. */
  readonly entropies: readonly ArrayLike<number>[];
  /** Whether the end token is missing. */
  readonly truncated: readonly boolean[];
  /** Of training, from 1 to maxSteps. */
  readonly step: number;
  readonly maxSteps: number;
}

/** A number that a method depends on, and a flag of the command line. */
export interface MethodParameter {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** Whether only whole numbers mean something. */
  readonly whole?: boolean;
  readonly help: string;
  /** Where the default comes from. */
  readonly source: string;
}

export interface ExplorationMethod {
  /** As `--explore` has it. */
  readonly name: string;
  /** Whether it reads N(x, a), and so means nothing until questions are asked again. */
  readonly readsHistory: boolean;
  readonly parameters: Readonly<Record<string, MethodParameter>>;
  /** B_i of each completion [n], before the coefficient c; `parameters` has a value for each of its own. */
  signal(group: Group, parameters: Readonly<Record<string, number>>): Float64Array;
  /** What is added to B_i on each token [n][L_i], for a bonus that tells tokens apart; an advantage has none. */
  tokens?(group: Group, parameters: Readonly<Record<string, number>>): Float64Array[];
}

/** The same, with A_i for its signal; `name` is as `--advantage` has it. */
export type AdvantageMethod = ExplorationMethod;

/** b = min(1, 1/sqrt(N)): 1 for a new answer, 1/2 after four sightings, 1/4 after sixteen. */
export function historicalBonus(count: number): number {
  return Math.min(1, 1 / Math.sqrt(count));
}

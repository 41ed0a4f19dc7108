/** What every exploration method is made of; each is one file of `methods/`. */
import type { Outcome } from "./counter.ts";

/** The n completions of one question. All arrays have length n. */
export interface Group {
  readonly outcomes: readonly Outcome[];
  /** N(x, a_i) before this step. */
  readonly counts: ArrayLike<number>;
  /** Which of them are right, whatever they earned. */
  readonly correct: readonly boolean[];
}

/** A number that a method depends on, and a flag of the command line. */
export interface MethodParameter {
  readonly default: number;
  readonly min: number;
  readonly max: number;
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
}

/** b = min(1, 1/sqrt(N)): 1 for a new answer, 1/2 after four sightings, 1/4 after sixteen. */
export function historicalBonus(count: number): number {
  return Math.min(1, 1 / Math.sqrt(count));
}

/**
 * Chapter 2: the exploration bonus.
 *
 * For question x and n completions with outcomes a_1..a_n, each method gives a signal B_i that is
 * added, times its coefficient c, to the advantage A_i (Song, Kempe, Munos 2025, arXiv 2509.06941):
 *
 *     none       B_i = 0                                      plain GRPO
 *     ucb        B_i = b_i = min(1, 1/sqrt(N(x, a_i)))        rare answers are worth more
 *     ucb-mean   B_i = b_i - mean of b_j over j != i          ... compared with the rest of the group
 *     ucb-con    B_i = b_i - b0                               ... compared with a constant
 *     batch      B_i = -(1/n) #{j != i : a_j = a_i}           answers repeated within the group cost
 *
 * A method is one file of `methods/` and its place in the list below.
 */
import type { ExplorationMethod, Group } from "./method.ts";
import { batch } from "./methods/batch.ts";
import { ucb } from "./methods/ucb.ts";
import { ucbCon } from "./methods/ucb-con.ts";
import { ucbMean } from "./methods/ucb-mean.ts";

export const methods = [ucb, ucbMean, ucbCon, batch] as const;

/** One summand of the exploration signal. */
export interface ExplorationTerm {
  readonly method: ExplorationMethod;
  /** The weight c, 0.2 in the paper. */
  readonly coefficient: number;
  /** The method's own. */
  readonly parameters: Readonly<Record<string, number>>;
}

/** What is added to the advantages: the sum of its terms. No terms is `none`. */
export type Exploration = readonly ExplorationTerm[];

/** Whether any term with weight reads the counts, and so means nothing until questions are revisited. */
export const usesHistory = (exploration: Exploration): boolean =>
  exploration.some(({ method, coefficient }) => coefficient > 0 && method.readsHistory);

/**
 * B_i of one term, unweighted [n]. A completion without an answer is never rewarded for being new: its signal is
 * min(0, B_i), though the others' signals are computed with its uncapped bonus.
 */
export function termSignal({ method, parameters }: ExplorationTerm, group: Group): Float64Array {
  const signal = method.signal(group, parameters);
  return signal.map((b, i) => (group.outcomes[i] === null ? Math.min(0, b) : b));
}

/**
 * The exploration term sum over methods of c * B_i, for each completion of a group [n]: what is
 * added to A_i after any reward normalisation, and not scaled by it.
 *
 * A solved group (every answer is right) gets 0 throughout: a solved question must not be punished. Summing
 * from +0 makes every zero a +0, so that coefficient 0 is `none` bit for bit.
 */
export function explorationSignal(exploration: Exploration, group: Group): Float64Array {
  const total = new Float64Array(group.outcomes.length);
  if (group.correct.every((correct) => correct)) return total;
  for (const term of exploration) {
    const signal = termSignal(term, group);
    for (let i = 0; i < total.length; i++) total[i] += term.coefficient * signal[i];
  }
  return total;
}

/**
 * What the bonuses that tell tokens apart add on each token, times their coefficients [n][L_i]; undefined where none
 * does, and for a solved group.
 */
export function tokenSignal(exploration: Exploration, group: Group): Float64Array[] | undefined {
  const terms = exploration.filter(({ method, coefficient }) => method.tokens && coefficient > 0);
  if (terms.length === 0 || group.correct.every((correct) => correct)) return undefined;
  const total = group.logprobs.map(({ length }) => new Float64Array(length));
  for (const { method, coefficient, parameters } of terms) {
    for (const [i, signal] of (method.tokens?.(group, parameters) ?? []).entries()) {
      for (let t = 0; t < signal.length; t++) total[i][t] += coefficient * signal[t];
    }
  }
  return total;
}

/**
 * Chapter 2: the exploration bonus.
 *
 * For question x and n completions with outcomes a_1..a_n, each strategy gives a signal B_i that is
 * added, times its coefficient c, to the advantage A_i (Song, Kempe, Munos 2025, arXiv 2509.06941):
 *
 *     none       B_i = 0                                      plain GRPO
 *     ucb        B_i = b_i = min(1, 1/sqrt(N(x, a_i)))        rare answers are worth more
 *     ucb-mean   B_i = b_i - mean of b_j over j != i          ... compared with the rest of the group
 *     ucb-con    B_i = b_i - b0                               ... compared with a constant
 *     batch      B_i = -(1/n) #{j != i : a_j = a_i}           answers repeated within the group cost
 *
 * `ucb` only ever rewards, so under it every answer rises with its bonus; the baselines of `ucb-mean`
 * and `ucb-con` also punish what was seen often (with b0 = 0.5, more than 4 times). `batch` needs
 * no history at all: it asks for diversity now, rather than over the whole run.
 */
import type { Outcome } from "./counter.ts";

export const strategies = ["none", "ucb", "ucb-mean", "ucb-con", "batch"] as const;
export type Strategy = (typeof strategies)[number];

/** One summand of the exploration signal. */
export interface ExplorationTerm {
  readonly strategy: Strategy;
  /** The weight c, 0.2 in the paper. */
  readonly coefficient: number;
}

/** What is added to the advantages: the sum of its terms. No terms is `none`. */
export interface Exploration {
  readonly terms: readonly ExplorationTerm[];
  /** The baseline of `ucb-con`: 0.5 on the paper's harder data, 1 (a pure penalty) on its easy data. */
  readonly b0: number;
}

/** The n completions of one question. All arrays have length n. */
export interface Group {
  readonly outcomes: readonly Outcome[];
  /** N(x, a_i) before this step; read by the ucb strategies only. */
  readonly counts: ArrayLike<number>;
  /** r_i, 1 for a correct answer. */
  readonly rewards: ArrayLike<number>;
}

/**
 * Reads a sum of strategies such as `"ucb-con,batch"`.
 *
 * @param coefficients one for all terms, or one each in the order of `text`
 * @throws RangeError, with a one-line message, on an unknown or repeated strategy, on `none` beside
 *   another, on a wrong number of coefficients, and on a negative or non-finite number
 */
export function parseExploration(
  text: string,
  coefficients: readonly number[],
  b0: number,
): Exploration {
  const names = text.split(",").map((name) => name.trim());
  for (const name of names) {
    if (!(strategies as readonly string[]).includes(name)) {
      throw new RangeError(
        `unknown exploration strategy "${name}": choose from ${strategies.join(", ")}, or a sum such as ucb-con,batch`,
      );
    }
  }
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated !== undefined)
    throw new RangeError(`exploration strategy ${repeated} is given twice`);
  if (names.length > 1 && names.includes("none")) {
    throw new RangeError(`exploration strategy none cannot be added to others: remove it`);
  }
  if (coefficients.length !== 1 && coefficients.length !== names.length) {
    throw new RangeError(
      `${coefficients.length} exploration coefficients for ${names.length} strategies: give one, or one each`,
    );
  }
  for (const coefficient of coefficients) {
    if (!(coefficient >= 0 && coefficient < Infinity)) {
      throw new RangeError(`exploration coefficient ${coefficient} must be a number of 0 or more`);
    }
  }
  if (!(b0 >= 0 && b0 < Infinity)) throw new RangeError(`b0 ${b0} must be a number of 0 or more`);
  const terms = (names as Strategy[]).map((strategy, i) => ({
    strategy,
    coefficient: coefficients[coefficients.length === 1 ? 0 : i],
  }));
  return { terms: terms.filter(({ strategy }) => strategy !== "none"), b0 };
}

/** Whether any term with weight reads the counts, and so means nothing until questions are revisited. */
export function usesHistory(exploration: Exploration): boolean {
  return exploration.terms.some((term) => term.coefficient > 0 && term.strategy.startsWith("ucb"));
}

/** b = min(1, 1/sqrt(N)): 1 for a new answer, 1/2 after four sightings, 1/4 after sixteen. */
export function historicalBonus(count: number): number {
  return Math.min(1, 1 / Math.sqrt(count));
}

/**
 * B_i of one strategy, unweighted [n]. A completion without an answer is never rewarded for being
 * new: its signal is min(0, B_i), though the group mean of `ucb-mean` uses its uncapped bonus.
 */
export function strategySignal(strategy: Strategy, group: Group, b0: number): Float64Array {
  const n = group.outcomes.length;
  const bonuses = Float64Array.from(group.counts, historicalBonus);
  const signal = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    if (strategy === "ucb") signal[i] = bonuses[i];
    else if (strategy === "ucb-con") signal[i] = bonuses[i] - b0;
    else if (strategy === "ucb-mean") {
      // b_i - mean_{j != i} b_j as a mean of differences, so that equal bonuses give exactly 0.
      for (const other of bonuses) signal[i] += bonuses[i] - other;
      signal[i] /= Math.max(1, n - 1);
    } else if (strategy === "batch") {
      const same = group.outcomes.filter((outcome) => outcome === group.outcomes[i]).length;
      signal[i] = (1 - same) / n;
    }
    if (group.outcomes[i] === null) signal[i] = Math.min(0, signal[i]);
  }
  return signal;
}

/**
 * The exploration term sum over strategies of c * B_i, for each completion of a group [n]: what is
 * added to A_i after any reward normalisation, and not scaled by it.
 *
 * A solved group (every r_i = 1) gets 0 throughout: a solved question must not be punished. Summing
 * from +0 makes every zero a +0, so that coefficient 0 is `none` bit for bit.
 */
export function explorationSignal(exploration: Exploration, group: Group): Float64Array {
  const total = new Float64Array(group.outcomes.length);
  if (Array.prototype.every.call(group.rewards, (reward) => reward === 1)) return total;
  for (const { strategy, coefficient } of exploration.terms) {
    const signal = strategySignal(strategy, group, exploration.b0);
    for (let i = 0; i < total.length; i++) total[i] += coefficient * signal[i];
  }
  return total;
}

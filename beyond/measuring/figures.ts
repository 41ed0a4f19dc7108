/**
 * The figures of an evaluation. Each is a ratio of two sums over questions, kept by question, so that one
 * bootstrap (`bootstrap.ts`) serves them all.
 */
import { distinctAtK, passAtK } from "./estimators.ts";
import { majorityAtK } from "./majority.ts";
import { outcomeCounts, type QuestionTally } from "./tally.ts";

/** A figure, by question: the sum of `of` over the sum of `per`. Both have one number a question. */
export interface Ratio {
  of: number[];
  per: number[];
}

/**
 * By name, in the order of a table:
 *
 * - `pass@k`, `maj@k`, `diff@k`: a right answer among k samples; the commonest of k right; distinct answers among k;
 * - `area`: the mean of pass@k over the logarithm of k, from the least k to the largest (by trapezoids);
 * - `distinct-solved@g`, `distinct-unsolved@g`: distinct answers in a group of g samples, in groups with
 *   and without a right answer (Table 2 of arXiv 2509.06941; over all groups it is `diff@g`);
 * - `entropy`, `entropy-correct`, `entropy-incorrect`: mean over the tokens of all completions, of the right
 *   ones and of the others, in nats (Table 1);
 * - `no-answer`, `truncated`: shares of completions; `length`: their mean number of tokens.
 */
export type Figures = Record<string, Ratio>;

/** Samples in a group, as in training; fewer where fewer were drawn. */
const GROUP = 8;

/**
 * Every figure of an evaluation.
 *
 * @param tallies a question each, all with as many samples as the largest k or more
 * @param random uniform in [0, 1), for maj@k where it is drawn
 */
export function figuresOf(
  tallies: readonly QuestionTally[],
  ks: readonly number[],
  random: () => number,
): Figures {
  const ratio = (
    of: (t: QuestionTally) => number,
    per: (t: QuestionTally) => number = () => 1,
  ) => ({
    of: tallies.map(of),
    per: tallies.map(per),
  });
  const atEach = (name: string, value: (t: QuestionTally, k: number) => number) =>
    ks.map((k): [string, Ratio] => [`${name}@${k}`, ratio((t) => value(t, k))]);
  const majorities = new Map(tallies.map((t) => [t, majorityAtK(t, ks, random)]));
  const group = Math.min(GROUP, ...tallies.map(({ samples }) => samples));
  const parts = new Map(tallies.map((t) => [t, groupParts(t, group)]));
  const part = (t: QuestionTally) => parts.get(t) as GroupParts;
  return Object.fromEntries([
    ...atEach("pass", (t, k) => passAtK(t.samples, t.correct, k)),
    ...atEach("maj", (t, k) => (majorities.get(t) as number[])[ks.indexOf(k)]),
    ...atEach("diff", (t, k) => distinctAtK(outcomeCounts(t), k)),
    ["area", ratio((t) => areaUnder(t, ks))],
    [
      `distinct-solved@${group}`,
      ratio(
        (t) => part(t).distinctSolved,
        (t) => 1 - part(t).unsolved,
      ),
    ],
    [
      `distinct-unsolved@${group}`,
      ratio(
        (t) => part(t).distinctUnsolved,
        (t) => part(t).unsolved,
      ),
    ],
    ["entropy", ratio((t) => t.entropy.correct + t.entropy.incorrect, tokensOf)],
    [
      "entropy-correct",
      ratio(
        (t) => t.entropy.correct,
        (t) => t.tokens.correct,
      ),
    ],
    [
      "entropy-incorrect",
      ratio(
        (t) => t.entropy.incorrect,
        (t) => t.tokens.incorrect,
      ),
    ],
    ["no-answer", ratio(withoutAnswer, ({ samples }) => samples)],
    [
      "truncated",
      ratio(
        ({ truncated }) => truncated,
        ({ samples }) => samples,
      ),
    ],
    ["length", ratio(tokensOf, ({ samples }) => samples)],
  ]);
}

/** Of pass@k over log k, over the width of that; of a single k, pass@k. */
function areaUnder({ samples, correct }: QuestionTally, ks: readonly number[]): number {
  const pass = ks.map((k) => passAtK(samples, correct, k));
  const width = Math.log(ks[ks.length - 1] / ks[0]);
  if (width === 0) return pass[0];
  return ks
    .slice(1)
    .reduce((sum, k, i) => sum + (Math.log(k / ks[i]) * (pass[i] + pass[i + 1])) / 2 / width, 0);
}

const tokensOf = ({ tokens }: QuestionTally) => tokens.correct + tokens.incorrect;

const withoutAnswer = ({ answers }: QuestionTally) =>
  answers.find(({ outcome }) => outcome === null)?.count ?? 0;

interface GroupParts {
  /** The chance that a group of g samples holds no right answer. */
  unsolved: number;
  /** Expected number of distinct answers, counted in groups that hold none; zero in the others. */
  distinctUnsolved: number;
  /** Likewise in groups that hold one. */
  distinctSolved: number;
}

/**
 * Over all choices of g of the n samples. The groups without a right answer are the choices among the
 * n - c wrong samples: C(n - c, g) of C(n, g), each with the distinct answers rarefaction expects there.
 */
function groupParts(tally: QuestionTally, g: number): GroupParts {
  const { samples, correct, answers } = tally;
  const unsolved = 1 - passAtK(samples, correct, g);
  const wrong = new Map(answers.map((a) => [a.outcome, a.count - a.correct]));
  const distinctUnsolved = samples - correct >= g ? unsolved * distinctAtK(wrong, g) : 0;
  const all = distinctAtK(outcomeCounts(tally), g);
  return { unsolved, distinctUnsolved, distinctSolved: all - distinctUnsolved };
}

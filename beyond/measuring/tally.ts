/**
 * Chapter 6: an evaluation, boiled down to counts.
 *
 * What many completions of a question say is kept as a few numbers a question, from which every figure
 * can be computed again, for another k or with the questions drawn anew (`figures.ts`, `bootstrap.ts`).
 */
import type { Outcome } from "../../lib/explore/counter.ts";

/** One outcome of a question. */
export interface AnswerTally {
  outcome: Outcome;
  /** Completions with this outcome. */
  count: number;
  /** Those of them that were judged right. */
  correct: number;
}

/** All completions of one question. Plain JSON. */
export interface QuestionTally {
  question: string;
  /** The right answer in canonical form. */
  gold: string;
  samples: number;
  correct: number;
  /** In order of first appearance. */
  answers: AnswerTally[];
  /** Tokens of the correct and of the other completions. */
  tokens: { correct: number; incorrect: number };
  /** The policy's entropy, summed over those tokens, in nats. */
  entropy: { correct: number; incorrect: number };
  /** Completions that were cut off. */
  truncated: number;
}

/** What a tally needs to know of a completion. */
export interface Tallied {
  outcome: Outcome;
  correct: boolean;
  /** Whether it ended by itself. */
  finished: boolean;
  /** Of the policy at each of its tokens, in nats. */
  entropies: readonly number[];
}

/** Counts the completions of one question. */
export function tallyQuestion(
  question: string,
  gold: string,
  completions: readonly Tallied[],
): QuestionTally {
  const answers = new Map<Outcome, AnswerTally>();
  const tally: QuestionTally = {
    question,
    gold,
    samples: completions.length,
    correct: 0,
    answers: [],
    tokens: { correct: 0, incorrect: 0 },
    entropy: { correct: 0, incorrect: 0 },
    truncated: 0,
  };
  for (const { outcome, correct, finished, entropies } of completions) {
    let answer = answers.get(outcome);
    if (!answer) {
      answer = { outcome, count: 0, correct: 0 };
      answers.set(outcome, answer);
      tally.answers.push(answer);
    }
    answer.count++;
    if (correct) {
      answer.correct++;
      tally.correct++;
    }
    if (!finished) tally.truncated++;
    const kind = correct ? "correct" : "incorrect";
    tally.tokens[kind] += entropies.length;
    for (const entropy of entropies) tally.entropy[kind] += entropy;
  }
  return tally;
}

/** How often each outcome occurs, as the estimators take it. */
export const outcomeCounts = ({ answers }: QuestionTally): Map<Outcome, number> =>
  new Map(answers.map(({ outcome, count }) => [outcome, count]));

/** What is said of a completion, and what says it. */
import type { Row } from "../datasets/rows.ts";
import type { Answer, AnswerForm } from "./extract.ts";

export interface Judgement {
  /** Canonical form of the final answer, or null when the completion states none. */
  outcome: string | null;
  correct: boolean;
  /** How the final answer is marked; null when there is none. */
  form: AnswerForm | null;
  /** What the user's own code gave it; 0 with a built-in outcome. */
  userReward: number;
  /** Where the answer stands in the completion, in UTF-16 units: [start, end). Null without one. */
  answerStart: number | null;
  answerEnd: number | null;
}

/** What was asked: the row and the outcome that is right. */
export interface Asked {
  row: Row;
  gold: string;
}

/** A completion; one cut off before its stop token has not stated its final answer. */
export interface Completed {
  text: string;
  truncated: boolean;
}

/** A way of telling outcomes. */
export interface Outcome {
  /** The right outcome of a row, whose answer may be bare or a worked solution; null if there is none. */
  gold(row: Row): string | null;
  /** Judges the completions of one question. */
  judge(completions: readonly Completed[], asked: Asked): Promise<Judgement[]>;
  /** Tells of an outcome counted earlier, which equal answers are to join. */
  remember(question: string, outcome: string): void;
}

/** Finds the final answer in the text of a completion. */
export type Find = (text: string) => Answer | null;

export const noAnswer: Judgement = {
  outcome: null,
  correct: false,
  form: null,
  userReward: 0,
  answerStart: null,
  answerEnd: null,
};

/** An answer with the outcome it counts as; none where it has no outcome. */
export function judgement(
  answer: Answer | null,
  outcome: string | null,
  correct: boolean,
): Judgement {
  if (answer === null || outcome === null) return noAnswer;
  const { form, start, end } = answer;
  return { ...noAnswer, outcome, correct, form, answerStart: start, answerEnd: end };
}

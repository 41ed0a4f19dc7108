/** What the judges here are made of. */
import type { Judgement } from "../../lib/data/judge.ts";
import type { Answer } from "./extract.ts";

/** Finds the final answer in the text of a completion. */
export type Find = (text: string) => Answer | null;

const noAnswer: Judgement = {
  outcome: null,
  correct: false,
  form: null,
  paid: [],
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

import type { Draws } from "../../beyond/report/treasure.ts";
import type { Answers } from "../messages.ts";

/** Every completion of a side, in the order they were sampled, a column an array: plain data, to be kept as it is. */
export interface Log extends Draws {
  step: number[];
  question: number[];
  outcome: number[];
  correct: boolean[];
  questions: string[];
  outcomes: string[];
  /** The completions themselves. */
  text: string[];
}

export const emptyLog = (): Log => ({
  step: [],
  question: [],
  outcome: [],
  correct: [],
  questions: [],
  outcomes: [],
  text: [],
});

/** Adds the groups of a step. */
export function addTo(log: Log, step: number, groups: readonly Answers[]): void {
  for (const { question, texts, outcomes, correct } of groups) {
    const at = placeIn(log.questions, question);
    for (const [i, text] of texts.entries()) {
      const outcome = outcomes[i];
      log.step.push(step);
      log.question.push(at);
      log.outcome.push(outcome === null ? -1 : placeIn(log.outcomes, outcome));
      log.correct.push(correct[i]);
      log.text.push(text);
    }
  }
}

/** The place of a text among those known, of which it becomes one. */
function placeIn(known: string[], text: string): number {
  const place = known.indexOf(text);
  return place >= 0 ? place : known.push(text) - 1;
}

/** A copy that does not grow with it. */
export const copyOf = (log: Log): Log =>
  Object.fromEntries(Object.entries(log).map(([name, column]) => [name, column.slice()])) as Log;

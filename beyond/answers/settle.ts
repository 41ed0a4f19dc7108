/** Mathematical answers to a question and the outcomes they count as: the work of the judging thread. */
import { mathKey } from "./math/canonical.ts";
import { join } from "./math/known.ts";

/** Mathematical answers to one question, to be given the outcomes they count as. */
export interface MathTask {
  kind: "math";
  answers: string[];
  /** Outcomes of the question so far, the right one first. */
  known: string[];
}

/** The outcome of each answer, null for none; each sees those before it as known. */
export function settle({ answers, known }: MathTask): (string | null)[] {
  const seen = [...known];
  const outcomes: (string | null)[] = [];
  for (const answer of answers) {
    const key = mathKey(answer);
    const outcome = key === null ? null : join(key, seen);
    if (outcome !== null && !seen.includes(outcome)) seen.push(outcome);
    outcomes.push(outcome);
  }
  return outcomes;
}

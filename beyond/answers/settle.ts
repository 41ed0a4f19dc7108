/** Mathematical answers to a question and the outcomes they count as: the work of the judging thread. */
import { mathKey } from "./math/canonical.ts";
import { join } from "./math/known.ts";
import { inUnit } from "./math/measure.ts";

/** Mathematical answers to one question, to be given the outcomes they count as. */
export interface MathTask {
  kind: "math";
  answers: string[];
  /** Outcomes of the question so far, the right one first. */
  known: string[];
  /** The unit that the right answer names, as `unitOf` has it; null where it names none. */
  unit: string | null;
}

/** The outcome of each answer, null for none; each sees those before it as known. */
export function settle({ answers, known, unit }: MathTask): (string | null)[] {
  const seen = [...known];
  const outcomes: (string | null)[] = [];
  for (const answer of answers) {
    const key = mathKey(answer);
    const measured = key && inUnit(key, answer, unit);
    const outcome = measured && (measured === key ? join(key, seen) : measured);
    if (outcome !== null && !seen.includes(outcome)) seen.push(outcome);
    outcomes.push(outcome);
  }
  return outcomes;
}

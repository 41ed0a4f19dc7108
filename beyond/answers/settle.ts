/** Mathematical answers to a question and the outcomes they count as: the work of the judging thread. */
import { mathKey, readings, sharesReading } from "./math/canonical.ts";
import { join } from "./math/known.ts";

/** Mathematical answers to one question, to be given the outcomes they count as. */
export interface MathTask {
  kind: "math";
  answers: string[];
  /** The right answer as the data has it; null where none is. */
  gold: string | null;
  /** Outcomes of the question so far, the right one first. */
  known: string[];
  /** Whether the algebra library may be asked. */
  symbolic: boolean;
}

/** The outcome of each answer, null for none; each sees those before it as known. */
export function settle({ answers, gold, known, symbolic }: MathTask): (string | null)[] {
  const seen = [...known];
  const right = gold === null ? null : readings(gold);
  const outcomes: (string | null)[] = [];
  for (const answer of answers) {
    const outcome = settleOne(answer);
    if (outcome !== null && !seen.includes(outcome)) seen.push(outcome);
    outcomes.push(outcome);
  }
  return outcomes;

  function settleOne(answer: string): string | null {
    const key = mathKey(answer);
    if (key === null) return null;
    // asked for 50 %, the answer 50 says so too; asked for 2x + 1, so does y = 2x + 1
    if (right?.key && (key === right.key || sharesReading(readings(answer), right))) {
      return right.key;
    }
    return join(key, seen, symbolic);
  }
}

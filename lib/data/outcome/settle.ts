/** What the judging thread does: work on what a model wrote that may take long. */
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

/** Texts to be searched for the last match of a pattern. */
export interface MatchTask {
  kind: "match";
  answers: string[];
  pattern: string;
}

/** Where the last match of a pattern, or its first group, stands: [start, end). */
export type Place = [start: number, end: number];

/** The outcome of each answer, null for none; each sees those before it as known. */
export async function settle({ answers, gold, known, symbolic }: MathTask) {
  const seen = [...known];
  const right = gold === null ? null : readings(gold);
  const outcomes: (string | null)[] = [];
  for (const answer of answers) {
    const outcome = await settleOne(answer);
    if (outcome !== null && !seen.includes(outcome)) seen.push(outcome);
    outcomes.push(outcome);
  }
  return outcomes;

  async function settleOne(answer: string): Promise<string | null> {
    const key = mathKey(answer);
    if (key === null) return null;
    // asked for 50 %, the answer 50 says so too; asked for 2x + 1, so does y = 2x + 1
    if (right?.key && (key === right.key || sharesReading(readings(answer), right))) {
      return right.key;
    }
    return await join(key, seen, symbolic);
  }
}

/** The end of a completion is where an answer stands. */
const SEARCHED = 10_000;

export function lastMatches({ answers, pattern }: MatchTask): (Place | null)[] {
  const compiled = new RegExp(pattern, "gsu");
  return answers.map((text) => {
    const from = Math.max(0, text.length - SEARCHED);
    const last = [...text.slice(from).matchAll(compiled)].pop();
    if (!last) return null;
    const found = last[1] ?? last[0];
    const start = from + last.index + last[0].indexOf(found);
    return [start, start + found.length];
  });
}

/** Answers found by a pattern of the user's. */

/** Texts to be searched for the last match of a pattern. */
export interface MatchTask {
  kind: "match";
  answers: string[];
  pattern: string;
}

/** Where the last match of a pattern, or its first group, stands: [start, end). */
export type Place = [start: number, end: number];

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

import { UserError } from "../errors.ts";
import type { Completed, Judge, Judgement, Row } from "./judge.ts";

/** A question ready to be asked: as tokens, with its right answer in canonical form. */
export interface Question {
  text: string;
  prompt: number[];
  gold: string;
  /** Judges completions of this question. */
  judge: (completions: readonly Completed[]) => Promise<Judgement[]>;
}

/** Makes the tokens of a prompt of a question; `where` is its place, for messages. */
export interface Prompter {
  encodePrompt(question: string, where: string): number[];
}

/**
 * Reads every row's question and answer.
 * @param source names the file in messages
 * @throws UserError for an answer that the judge cannot read
 */
export function prepareQuestions(
  prompter: Prompter,
  rows: Iterable<Row>,
  source: string,
  judge: Judge,
): Question[] {
  return Array.from(rows, (row) => {
    const where = `${source}:${row.line}`;
    const gold = judge.gold(row);
    if (gold === null) {
      const problem = row.answer.trim() === "" ? "is empty" : "is none that --outcome understands";
      throw new UserError(`${where}: the answer ${problem}; give every row one`);
    }
    return {
      text: row.question,
      prompt: prompter.encodePrompt(row.question, where),
      gold,
      judge: (completions) => judge.judge(completions, { row, gold }),
    };
  });
}

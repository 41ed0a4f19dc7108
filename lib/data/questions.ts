import { UserError } from "../errors.ts";
import type { Completed, Judge, Judgement, Row } from "./judge.ts";

/** A question ready to be asked: as tokens, with its right answer in canonical form. */
export interface Question {
  text: string;
  prompt: number[];
  gold: string;
  /** Judges completions of this question, given in this step of training if in any. */
  judge: (completions: readonly Completed[], step?: number) => Promise<Judgement[]>;
}

/** A question, alone or in its conversation. */
export type Asked = Pick<Row, "question" | "turns">;

/** Makes the tokens of a prompt of a question; `where` is its place, for messages. */
export interface Prompter {
  encodePrompt(asked: Asked, where: string): number[];
}

/** What tells a question from others, and is shown of it: its text, and the other turns of its conversation. */
export function textOf({ question, turns = [] }: Asked): string {
  const others = turns.at(-1)?.content === question ? turns.slice(0, -1) : turns;
  const lines = others.map((turn) => JSON.stringify(turn)).join("\n");
  return lines === "" ? question : `${question}\n\n${lines}`;
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
      text: textOf(row),
      prompt: prompter.encodePrompt(row, where),
      gold,
      judge: (completions, step) => judge.judge(completions, { row, gold, step }),
    };
  });
}

/**
 * Reading questions and texts. A file that cannot be used is a `UserError` that names the place and
 * the fix.
 */
import { UserError } from "../errors.ts";
import { answerOf, type FieldNames, type Fields, isFields, questionOf, text } from "./fields.ts";
import { type Entry, jsonEntries, readEntries } from "./formats.ts";

/** A question for reinforcement learning, with the answer that earns the reward. */
export type Row = {
  question: string;
  answer: string;
  line: number;
  /** The row as it stands in the data, where outcomes need more than the answer. */
  fields?: Record<string, unknown>;
};

/** A text for supervised training; the loss is on the completion. */
export type SftRow = { prompt: string; completion: string; line: number };

export type ReadOptions = FieldNames & {
  /** Leave out lines that cannot be used, and count them, instead of stopping at the first. */
  skipBad?: boolean;
  /** Take no more rows than this, from the beginning. */
  limit?: number | null;
};

/** `skipped`: how many bad lines were left out; `firstProblem`: what was wrong with the first. */
export type Rows<T> = {
  rows: T[];
  skipped: number;
  firstProblem: string | null;
};

/** The rows alone; how many lines were left out, if any, is noted. */
export function usableRows<T>(
  { rows, skipped, firstProblem }: Rows<T>,
  note: (text: string) => void,
): T[] {
  const lines = skipped === 1 ? "line" : "lines";
  if (skipped > 0) note(`left out ${skipped} ${lines}; the first: ${firstProblem}`);
  return rows;
}

/** Reads question-answer rows of any format and layout there is help for (docs/data.md). */
export async function readRows(path: string, options: ReadOptions = {}): Promise<Rows<Row>> {
  return toRows(await readEntries(path, "questions"), path, options);
}

/** Reads prompt-completion rows for `sft`. */
export async function readSftRows(path: string, options: ReadOptions = {}): Promise<Rows<SftRow>> {
  return toSftRows(await readEntries(path, "texts"), path, options);
}

/** As `readRows`, from JSON already in memory; `name` stands for the file in messages. */
export function parseRows(json: string, name: string, options: ReadOptions = {}): Rows<Row> {
  return toRows(jsonEntries(json), name, options);
}

/** As `readSftRows`, from JSON already in memory. */
export function parseSftRows(json: string, name: string, options: ReadOptions = {}): Rows<SftRow> {
  return toSftRows(jsonEntries(json), name, options);
}

function toRows(entries: Entry[], name: string, options: ReadOptions): Rows<Row> {
  const shape = '{"question": "...", "answer": "..."}';
  return checked(entries, name, options, shape, (fields, line) => ({
    question: questionOf(fields, options),
    answer: answerOf(fields, options),
    line,
    fields,
  }));
}

function toSftRows(entries: Entry[], name: string, options: ReadOptions): Rows<SftRow> {
  const shape = '{"prompt": "...", "completion": "..."}';
  return checked(entries, name, options, shape, (fields, line) => ({
    prompt: text(fields, ["prompt"]),
    completion: text(fields, ["completion"]),
    line,
  }));
}

function checked<T>(
  entries: Entry[],
  name: string,
  options: ReadOptions,
  shape: string,
  toRow: (fields: Fields, line: number) => T,
): Rows<T> {
  const result: Rows<T> = { rows: [], skipped: 0, firstProblem: null };
  for (const entry of entries) {
    if (result.rows.length === (options.limit ?? Infinity)) break;
    try {
      if ("problem" in entry) throw new Error(entry.problem);
      if (!isFields(entry.value)) throw new Error("not a JSON object");
      result.rows.push(toRow(entry.value, entry.line));
    } catch (error) {
      const problem = `${name}:${entry.line}: ${(error as Error).message}`;
      if (!options.skipBad) {
        throw new UserError(
          `${problem}; every line must be ${shape} (--skip-bad leaves out others)`,
        );
      }
      result.skipped++;
      result.firstProblem ??= problem;
    }
  }
  if (result.rows.length === 0) {
    const why = result.skipped ? `no usable line (${result.firstProblem})` : "the file is empty";
    throw new UserError(`${name}: ${why}; it needs lines such as ${shape}`);
  }
  return result;
}

/**
 * Reading questions and texts. A file that cannot be used is a `UserError` that names the place and
 * the fix.
 */
import type { Row } from "../../lib/data/judge.ts";
import { UserError } from "../../lib/errors.ts";
import type { Lesson } from "../models/lesson.ts";
import { type Fields, isFields, lessonsIn, requireAskable, turnsOf } from "./conversation.ts";
import { answerOf, askedOf, columnsOf, type FieldNames, text, withTask } from "./fields.ts";
import { readEntries } from "./formats.ts";
import { PackedRows } from "./packed.ts";

/** What a row teaches in supervised training: what is said, turn by turn. */
export interface SftRow {
  lessons: Lesson[];
  line: number;
}

export type ReadOptions = FieldNames & {
  /** Leave out lines that cannot be used, and count them, instead of stopping at the first. */
  skipBad?: boolean;
  /** Take no more rows than this, from the beginning. */
  limit?: number | null;
  /** Keep all fields of a row, not just question and answer. */
  wholeRows?: boolean;
};

/** `skipped`: how many bad lines were left out; `firstProblem`: what was wrong with the first. */
export type Rows<T> = {
  rows: T;
  skipped: number;
  firstProblem: string | null;
};

/** Files that are one data set, in order. `name` stands for it in messages; rows are counted through. */
export interface DataSource {
  name: string;
  files: readonly string[];
}

/** A row that cannot be used. */
export interface BadRow {
  line: number;
  problem: string;
}

/** The rows alone; how many lines were left out, if any, is noted. */
export function usableRows<T>(
  { rows, skipped, firstProblem }: Rows<T>,
  note: (text: string) => void,
): T {
  const lines = skipped === 1 ? "line" : "lines";
  if (skipped > 0) note(`left out ${skipped} ${lines}; the first: ${firstProblem}`);
  return rows;
}

const QUESTIONS = '{"question": "...", "answer": "..."}';
const TEXTS = '{"prompt": "...", "completion": "..."} or {"messages": [...]}';

/** Reads question-answer rows of any format and layout there is help for (docs/data.md). */
export async function readRows(
  source: string | DataSource,
  options: ReadOptions = {},
): Promise<Rows<PackedRows>> {
  const rows = new PackedRows();
  return checked(scanRows(source, options), source, options, QUESTIONS, rows);
}

/** Reads rows for `sft`: prompt and completion, as texts or as turns, or `messages`. */
export async function readSftRows(
  source: string | DataSource,
  options: ReadOptions = {},
): Promise<Rows<SftRow[]>> {
  const toRow = (fields: Fields, line: number): SftRow => ({
    lessons: lessonsOf(fields),
    line,
  });
  return checked(scan(source, "texts", toRow), source, options, TEXTS, [] as SftRow[]);
}

function lessonsOf(fields: Fields): Lesson[] {
  requireAskable(fields);
  const { completion, messages } = fields;
  if (Array.isArray(messages) && completion === undefined) {
    return lessonsIn(turnsOf(messages, "messages"), 0, "messages");
  }
  const asked = askedOf(fields, { questionField: "prompt" });
  if (!Array.isArray(completion)) return [{ asked, said: text(fields, ["completion"]) }];
  const before = asked.turns ?? [{ role: "user", content: asked.question }];
  const turns = [...before, ...turnsOf(completion, "completion")];
  return lessonsIn(turns, before.length, "completion");
}

/** Question-answer rows, some at a time, among them those that are bad. */
export function scanRows(
  source: string | DataSource,
  options: ReadOptions = {},
): AsyncGenerator<(Row | BadRow)[]> {
  const toRow = (found: Fields, line: number): Row => {
    const fields = withTask(found);
    const row = { ...askedOf(fields, options), answer: answerOf(fields, options), line };
    return options.wholeRows === false ? row : { ...row, fields };
  };
  const columns = (names: string[]) =>
    options.wholeRows === false ? columnsOf(names, options) : names;
  return scan(source, "questions", toRow, columns);
}

async function* scan<T>(
  source: string | DataSource,
  what: string,
  toRow: (fields: Fields, line: number) => T,
  columns?: (names: string[]) => string[],
): AsyncGenerator<(T | BadRow)[]> {
  let before = 0;
  for (const file of typeof source === "string" ? [source] : source.files) {
    let last = 0;
    for await (const entries of readEntries(file, { what, columns })) {
      yield entries.map((entry): T | BadRow => {
        last = entry.line;
        const line = before + entry.line;
        try {
          if ("problem" in entry) return { line, problem: entry.problem };
          if (!isFields(entry.value)) return { line, problem: "not a JSON object" };
          return toRow(entry.value, line);
        } catch (error) {
          return { line, problem: (error as Error).message };
        }
      });
    }
    before += last;
  }
}

export const isBad = (row: object): row is BadRow => "problem" in row;

async function checked<T extends object, Rest extends { length: number; push(row: T): unknown }>(
  scanned: AsyncGenerator<(T | BadRow)[]>,
  source: string | DataSource,
  { skipBad, limit }: ReadOptions,
  shape: string,
  rows: Rest,
): Promise<Rows<Rest>> {
  const name = nameOf(source);
  const result: Rows<Rest> = { rows, skipped: 0, firstProblem: null };
  reading: for await (const some of scanned) {
    for (const row of some) {
      if (rows.length === (limit ?? Infinity)) break reading;
      if (!isBad(row)) rows.push(row);
      else {
        const problem = `${name}:${row.line}: ${row.problem}`;
        if (!skipBad) {
          throw new UserError(
            `${problem}; every line must be ${shape} (--skip-bad leaves out others)`,
          );
        }
        result.skipped++;
        result.firstProblem ??= problem;
      }
    }
  }
  if (rows.length === 0) {
    const why = result.skipped ? `no usable line (${result.firstProblem})` : "the file is empty";
    throw new UserError(`${name}: ${why}; it needs lines such as ${shape}`);
  }
  return result;
}

/** Does an outcome look at more of a row than its question and answer? */
export const readsWholeRow = (outcome: string) =>
  !/^(?:(?:math|number)(?::last-number)?|exact|regex:.*)$/s.test(outcome);

export const nameOf = (source: string | DataSource) =>
  typeof source === "string" ? source : source.name;

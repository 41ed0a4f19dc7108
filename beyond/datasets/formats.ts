/** Files as people have them: JSON lines, a JSON array, CSV or Parquet, plain or gzipped, or standard input. */

import { watched } from "#platform/watchdog.ts";
import { UserError } from "../../lib/errors.ts";
import { csvRows } from "./formats/csv.ts";
import { kindOf, separatorOf } from "./formats/kinds.ts";
import { arrayElements, type Line, lines } from "./formats/lines.ts";
import { parquetRows } from "./formats/parquet.ts";
import { openSource, type Source } from "./formats/source.ts";

/** One row as it stands in a file, at its line (or its place, from 1, where there are no lines). */
export type Entry = { line: number; value: unknown } | { line: number; problem: string };

export interface EntryOptions {
  /** What the rows are called in messages. */
  what: string;
  /** Of the columns of a Parquet file, those that are needed. */
  columns?: (names: string[]) => string[];
}

/** Reads the rows of a file, some at a time; `-` is standard input. */
export async function* readEntries(path: string, options: EntryOptions): AsyncGenerator<Entry[]> {
  const source = await openSource(path, options.what);
  try {
    const kind = kindOf(source.head, path);
    if (kind === "parquet") yield* parquetEntries(source, path, options);
    else if (kind === "array") yield* jsonEntries(arrayElements(source.pieces, path), path);
    else if (kind === "lines") yield* jsonEntries(lines(source.pieces, path), path);
    else yield* csvEntries(lines(source.pieces, path), separatorOf(source.head));
  } finally {
    await source.close();
  }
}

async function* parquetEntries(
  source: Source,
  name: string,
  { columns = (names) => names }: EntryOptions,
): AsyncGenerator<Entry[]> {
  let line = 0;
  const file = source.file ?? (await inMemory(source, name));
  for await (const rows of parquetRows(file, name, columns)) {
    yield rows.map((value) => ({ line: ++line, value }));
  }
}

/** Bytes of Parquet that are kept in memory. */
const MOST_KEPT = 2 ** 30;

/** Parquet is read from its end: what comes through a pipe or is gzipped is kept. */
async function inMemory({ pieces }: Source, name: string): Promise<NonNullable<Source["file"]>> {
  const all: Uint8Array[] = [];
  let length = 0;
  for await (const piece of pieces) {
    length += piece.length;
    if (length > MOST_KEPT) {
      throw new UserError(
        `${name}: Parquet of more than ${MOST_KEPT / 2 ** 30} GiB, gzipped or from a pipe; unpack it into a file`,
      );
    }
    all.push(piece.slice());
  }
  const bytes = new Uint8Array(Buffer.concat(all));
  return {
    byteLength: bytes.length,
    slice: async (start, end) => bytes.slice(start, end).buffer,
  };
}

async function* jsonEntries(source: AsyncIterable<Line[]>, name: string): AsyncGenerator<Entry[]> {
  for await (const some of source) yield some.flatMap((line) => jsonEntry(line, name));
}

function jsonEntry({ line, text }: Line, name: string): Entry[] {
  if (text === null) return [{ line, problem: "not UTF-8 text" }];
  // a line may be empty
  if (text.trim() === "") return [];
  try {
    const read = () => (LONG_NUMBER.test(text) ? exactJson(text) : JSON.parse(text));
    return [{ line, value: watched(name, read) }];
  } catch {
    return [{ line, problem: whyNotJson(text) }];
  }
}

/** What may be a number that one of 64 bits does not hold, or writes as 1e+21. */
const LONG_NUMBER = /[:[,]\s*-?(?=[\d.]{16}|0\.0{6}|\d[\d.]*[eE])/;

/** Numbers that would lose digits stay as they are written, as text. */
function exactJson(text: string): unknown {
  const exact = (_: string, value: unknown, { source }: { source?: string }) => {
    if (typeof value !== "number" || source === undefined) return value;
    const written = String(value);
    const same = !/[ef]/.test(written) && digitsOf(source) === digitsOf(written);
    return same ? value : source;
  };
  // the third argument of a reviver is newer than the types that TypeScript has for it
  return JSON.parse(text, exact as (key: string, value: unknown) => unknown);
}

/** The digits of a number without what does not count: 1.50 and 15e-1 have the same. */
const digitsOf = (number: string) => number.replace(/[eE].*|[-.]/g, "").replace(/^0+|0+$/g, "");

function whyNotJson(text: string): string {
  if (text.trim() === "{") return "not JSON: a row stands in one line, or the rows in a JSON array";
  if (/^[\w" ]+[,;\t]/.test(text)) return "not JSON; if this is CSV, name the file .csv";
  const outside = text.replace(/"(?:[^"\\]|\\.)*"/g, "");
  const special = /-?\b(?:NaN|Infinity)\b/.exec(outside)?.[0];
  if (special) return `not JSON: ${special} is no JSON value; write null`;
  if (/^\s*\{\s*'/.test(text))
    return "not JSON: texts stand in double quotes (json.dumps, not str)";
  if (/^\s*\{/.test(text) && !/\}\s*$/.test(text)) return "not JSON: the line ends too early";
  return "not JSON";
}

/** CSV, its first row the names. */
async function* csvEntries(
  source: AsyncIterable<Line[]>,
  separator: string,
): AsyncGenerator<Entry[]> {
  let names: string[] | null = null;
  for await (const rows of csvRows(source, separator)) {
    const entries: Entry[] = [];
    for (const { line, cells } of rows) {
      if (cells === null) entries.push({ line, problem: "not UTF-8, or a quote is not closed" });
      else if (names === null) names = cells.map((name) => name.trim());
      else if (cells.length !== names.length) {
        entries.push({ line, problem: `${cells.length} columns instead of ${names.length}` });
      } else {
        const fields = names.map((name, i) => [name, cells[i]]);
        entries.push({ line, value: Object.fromEntries(fields) });
      }
    }
    yield entries;
  }
}

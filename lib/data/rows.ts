/**
 * Reading questions and texts from JSON lines: one JSON object on every line, UTF-8.
 * A file that cannot be used is a `UserError` that names the place and the fix.
 */
import { readFile } from "node:fs/promises";
import { UserError } from "../errors.ts";

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

export type ReadOptions = {
  /** Leave out lines that cannot be used, and count them, instead of stopping at the first. */
  skipBad?: boolean;
};

/** `skipped`: how many bad lines were left out; `firstProblem`: what was wrong with the first. */
export type Rows<T> = {
  rows: T[];
  skipped: number;
  firstProblem: string | null;
};

/** Reads question-answer rows. Also takes `prompt`, `problem`, `solution` and `target` as names. */
export async function readRows(path: string, options: ReadOptions = {}): Promise<Rows<Row>> {
  return parseRows(await readText(path, "questions"), path, options);
}

/** Reads prompt-completion rows for `sft`. */
export async function readSftRows(path: string, options: ReadOptions = {}): Promise<Rows<SftRow>> {
  return parseSftRows(await readText(path, "texts"), path, options);
}

/** As `readRows`, from a text already in memory; `name` stands for the file in messages. */
export function parseRows(text: string, name: string, options: ReadOptions = {}): Rows<Row> {
  return parseLines(
    text,
    name,
    options,
    '{"question": "...", "answer": "..."}',
    (object, line) => ({
      question: field(object, ["question", "prompt", "problem"]),
      answer: field(object, ["answer", "solution", "target"]),
      line,
    }),
  );
}

/** As `readSftRows`, from a text already in memory. */
export function parseSftRows(text: string, name: string, options: ReadOptions = {}): Rows<SftRow> {
  const shape = '{"prompt": "...", "completion": "..."}';
  return parseLines(text, name, options, shape, (object, line) => ({
    prompt: field(object, ["prompt"]),
    completion: field(object, ["completion"]),
    line,
  }));
}

type JsonObject = Record<string, unknown>;

function parseLines<T>(
  text: string,
  name: string,
  options: ReadOptions,
  shape: string,
  toRow: (object: JsonObject, line: number) => T,
): Rows<T> {
  const result: Rows<T> = { rows: [], skipped: 0, firstProblem: null };
  text.split("\n").forEach((raw, index) => {
    const content = (index === 0 ? raw.replace(/^\uFEFF/, "") : raw).trim();
    if (content === "") return;
    try {
      result.rows.push(toRow(parseObject(content), index + 1));
    } catch (error) {
      const problem = `${name}:${index + 1}: ${(error as Error).message}`;
      if (!options.skipBad) {
        throw new UserError(
          `${problem}; every line must be ${shape} (--skip-bad leaves out others)`,
        );
      }
      result.skipped++;
      result.firstProblem ??= problem;
    }
  });
  if (result.rows.length === 0) {
    const why = result.skipped ? `no usable line (${result.firstProblem})` : "the file is empty";
    throw new UserError(`${name}: ${why}; it needs lines such as ${shape}`);
  }
  return result;
}

function parseObject(content: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    throw new Error("not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error("not a JSON object");
  }
  return value as JsonObject;
}

/** The first of the named fields that is there, as text; numbers are taken as they are written. */
function field(object: JsonObject, names: string[]): string {
  const name = names.find((n) => object[n] !== undefined && object[n] !== null);
  if (name === undefined) throw new Error(`no "${names[0]}"`);
  const value = object[name];
  if (typeof value !== "string" && typeof value !== "number") {
    throw new Error(`"${name}" is not text or a number`);
  }
  if (String(value).trim() === "") throw new Error(`"${name}" is empty`);
  return String(value);
}

async function readText(path: string, what: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT") {
      throw new UserError(`${path}: no such file; give the path of a JSONL file of ${what}`);
    }
    if (code === "EISDIR") {
      throw new UserError(`${path} is a folder; give the path of a JSONL file of ${what} in it`);
    }
    throw new UserError(`${path} cannot be read (${code}); check its permissions`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UserError(`${path} is not UTF-8 text; convert it, or give a JSONL file`);
  }
}

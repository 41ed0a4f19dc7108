/** Files as people have them: JSON lines, a JSON array, CSV or Parquet, plain or gzipped, or standard input. */
import { readFile } from "node:fs/promises";
import { UserError } from "../errors.ts";

/** One row as it stands in a file, at its line (or its place, from 1, where there are no lines). */
export type Entry = { line: number; value: unknown } | { line: number; problem: string };

/** Reads the rows of a file; `-` is standard input. `what` names the rows in messages. */
export async function readEntries(path: string, what: string): Promise<Entry[]> {
  const bytes = await unzipped(path === "-" ? await Bun.stdin.bytes() : await read(path, what));
  if (new TextDecoder("latin1").decode(bytes.subarray(0, 4)) === "PAR1")
    return parquet(bytes, path);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UserError(`${path} is not UTF-8 text; convert it, or give a JSONL file`);
  }
  return /\.[ct]sv(?:\.gz)?$/i.test(path) ? csvEntries(text, path) : jsonEntries(text);
}

async function read(path: string, what: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
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
}

async function unzipped(bytes: Uint8Array): Promise<Uint8Array> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();
  try {
    return await new Response(stream.pipeThrough(new DecompressionStream("gzip"))).bytes();
  } catch {
    throw new UserError("the gzipped data is damaged; fetch it again");
  }
}

async function parquet(bytes: Uint8Array, path: string): Promise<Entry[]> {
  const { parquetReadObjects } = await import("hyparquet");
  const { buffer, byteOffset, byteLength } = bytes;
  const file = buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
  try {
    const rows = await parquetReadObjects({ file });
    return rows.map((value, index) => ({ line: index + 1, value }));
  } catch (error) {
    throw new UserError(`${path} cannot be read as Parquet: ${(error as Error).message}`);
  }
}

/** The rows of a JSON array, or of JSON lines. */
export function jsonEntries(text: string): Entry[] {
  const whole = text.replace(/^\uFEFF/, "");
  if (/^\s*\[\s*\{/.test(whole)) {
    try {
      const rows: unknown[] = JSON.parse(whole);
      return rows.map((value, index) => ({ line: index + 1, value }));
    } catch {
      // read as lines, so that the message names one
    }
  }
  const entries: Entry[] = [];
  whole.split("\n").forEach((raw, index) => {
    const content = raw.trim();
    if (content === "") return;
    try {
      entries.push({ line: index + 1, value: JSON.parse(content) });
    } catch {
      entries.push({ line: index + 1, problem: "not JSON" });
    }
  });
  return entries;
}

/** CSV by RFC 4180, its first row the names; tab-separated if the file's name says so. */
function csvEntries(text: string, path: string): Entry[] {
  const separator = /\.tsv/i.test(path) ? "\t" : ",";
  const [head, ...rows] = csvRows(text.replace(/^\uFEFF/, ""), separator);
  if (!head) return [];
  return rows.map(({ line, cells }) => {
    if (cells.length !== head.cells.length) {
      return { line, problem: `${cells.length} columns instead of ${head.cells.length}` };
    }
    return {
      line,
      value: Object.fromEntries(head.cells.map((name, i) => [name.trim(), cells[i]])),
    };
  });
}

function csvRows(text: string, separator: string): { line: number; cells: string[] }[] {
  const rows: { line: number; cells: string[] }[] = [];
  const cell = new RegExp(
    `(?:"((?:[^"]|"")*)"|([^${separator}\\r\\n]*))(${separator}|\\r?\\n|$)`,
    "y",
  );
  let line = 1;
  let row = { line, cells: [] as string[] };
  while (cell.lastIndex < text.length) {
    const match = cell.exec(text);
    if (!match) {
      rows.push({ line, cells: [] });
      break;
    }
    const [whole, quoted, plain, end] = match;
    row.cells.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    line += whole.split("\n").length - 1;
    if (end === separator && cell.lastIndex < text.length) continue;
    if (row.cells.length > 1 || row.cells[0] !== "") rows.push(row);
    row = { line, cells: [] };
  }
  return rows;
}

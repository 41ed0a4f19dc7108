/** Cutting a stream of bytes into lines, or into the elements of a JSON array, as text. */
import { UserError } from "../../../lib/errors.ts";
import type { Bytes } from "./source.ts";

/** A line of a file, counted from 1, or an element of an array; null text for what is not UTF-8. */
export interface Line {
  line: number;
  text: string | null;
}

/** No row is longer; a file without line ends is not read into memory as a whole. */
export const LONGEST = 1 << 26;

const NEWLINE = 0x0a;
const [QUOTE, BACKSLASH, COMMA] = Buffer.from('"\\,');
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = Buffer.from("[]{}");

/** The lines without their ends, a piece's worth at a time. A byte-order mark is left out. */
export async function* lines(pieces: AsyncIterable<Bytes>, name: string): AsyncGenerator<Line[]> {
  const pending = new Pending(name);
  let line = 0;
  for await (const piece of pieces) {
    const some: Line[] = [];
    let start = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, start)) {
      some.push({ line: ++line, text: pending.take(piece.subarray(start, end)) });
      start = end + 1;
    }
    pending.add(piece.subarray(start), line + 1);
    yield some;
  }
  if (!pending.isEmpty) yield [{ line: ++line, text: pending.take() }];
}

/**
 * The elements of a JSON array as texts, each with its place from 1. What stands after the array, or that
 * its end is missing, is an error.
 */
export async function* arrayElements(
  pieces: AsyncIterable<Bytes>,
  name: string,
): AsyncGenerator<Line[]> {
  const pending = new Pending(name);
  let element = 1;
  let depth = 0;
  let [inText, escaped, ended] = [false, false, false];
  for await (const piece of pieces) {
    const some: Line[] = [];
    let start = 0;
    for (let at = 0; at < piece.length; at++) {
      const byte = piece[at];
      if (inText) {
        if (escaped) escaped = false;
        else if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) inText = false;
        continue;
      }
      if (ended && byte > 0x20) throw new UserError(`${name}: something follows the JSON array`);
      const before = depth;
      if (byte === QUOTE) inText = true;
      else if (byte === OPEN_LIST || byte === OPEN_OBJECT) depth++;
      else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth--;
      if (before === 0 && depth === 1) start = at + 1;
      if (before === 1 && depth === 0) ended = true;
      if (before === 1 && (ended || byte === COMMA)) {
        const text = pending.take(piece.subarray(start, at));
        // an empty array has no element
        if (!ended || text?.trim() !== "") some.push({ line: element++, text });
        start = at + 1;
      }
    }
    if (depth > 0) pending.add(piece.subarray(start), element);
    yield some;
  }
  if (depth > 0) {
    throw new UserError(`${name}: the JSON array has no end; is the file cut off?`);
  }
}

/** The beginning of a text whose end is not read yet. */
class Pending {
  private parts: Bytes[] = [];
  private length = 0;
  private readonly decoder = new TextDecoder("utf-8", { fatal: true });

  constructor(private readonly name: string) {}

  get isEmpty(): boolean {
    return this.length === 0;
  }

  add(bytes: Bytes, line: number): void {
    if (bytes.length === 0) return;
    // the piece it is part of may be large, and goes
    this.parts.push(bytes.slice());
    this.length += bytes.length;
    if (this.length > LONGEST) {
      const most = `${LONGEST >> 20} MiB`;
      throw new UserError(
        `${this.name}:${line}: longer than ${most}; is this a file with a row a line?`,
      );
    }
  }

  /** The text that ends with these bytes. */
  take(end: Bytes = new Uint8Array()): string | null {
    const bytes = this.isEmpty ? end : Buffer.concat([...this.parts, end]);
    this.parts = [];
    this.length = 0;
    try {
      return this.decoder.decode(bytes);
    } catch {
      return null;
    }
  }
}

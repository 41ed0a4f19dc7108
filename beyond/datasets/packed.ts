/** Rows kept as bytes: a million of them as objects would take gigabytes, as UTF-8 what the file has of them. */
import { sha256 } from "#platform/hash.ts";
import type { Row } from "../../lib/data/judge.ts";
import { textOf } from "../../lib/data/questions.ts";
import { hashText, questionHash } from "./split.ts";

/** Bytes of a block; a longer row has one of its own. */
const BLOCK = 1 << 20;

interface Block {
  /** Index of its first row. */
  first: number;
  /** Each row as the JSON array [question, answer, line, fields, turns]. */
  bytes: Uint8Array;
  /** Where each row ends. */
  ends: Uint32Array;
}

export class PackedRows implements Iterable<Row> {
  /** Of each row, the hash of its text as it stands, and the one that equal questions share. */
  readonly textHashes: number[] = [];
  readonly questionHashes: number[] = [];
  private readonly blocks: Block[] = [];
  private open = new Uint8Array(BLOCK);
  private ends: number[] = [];
  private count = 0;
  private static readonly encoder = new TextEncoder();
  private static readonly decoder = new TextDecoder();

  get length(): number {
    return this.count;
  }

  push(row: Row): void {
    const { question, answer, line, fields, turns } = row;
    const text = JSON.stringify([question, answer, line, fields, turns]);
    let end = this.ends.at(-1) ?? 0;
    // UTF-8 takes up to three bytes for a UTF-16 unit
    const most = 3 * text.length;
    if (end + most > this.open.length) {
      this.seal();
      end = 0;
      if (most > this.open.length) this.open = new Uint8Array(most);
    }
    const { written } = PackedRows.encoder.encodeInto(text, this.open.subarray(end));
    this.ends.push(end + written);
    const whole = textOf(row);
    this.textHashes.push(hashText(whole));
    this.questionHashes.push(questionHash(whole));
    this.count++;
  }

  /** SHA-256 of the rows and their order. */
  hash(): string {
    const hash = sha256();
    for (const { question, answer, fields } of this) {
      hash.update(JSON.stringify([question, answer, fields]));
    }
    return hash.digest();
  }

  at(index: number): Row {
    if (index < 0 || index >= this.count) throw new RangeError(`row ${index} of ${this.count}`);
    const { first, bytes, ends } = this.blockOf(index);
    const place = index - first;
    const start = place === 0 ? 0 : ends[place - 1];
    const text = PackedRows.decoder.decode(bytes.subarray(start, ends[place]));
    const [question, answer, line, fields, turns] = JSON.parse(text);
    return { question, answer, line, ...(fields && { fields }), ...(turns && { turns }) };
  }

  *[Symbol.iterator](): Generator<Row> {
    for (let i = 0; i < this.count; i++) yield this.at(i);
  }

  private seal(): void {
    const used = this.ends.at(-1);
    if (used === undefined) return;
    const ends = new Uint32Array(this.ends);
    const first = this.count - ends.length;
    this.blocks.push({ first, bytes: this.open.slice(0, used), ends });
    this.open = new Uint8Array(BLOCK);
    this.ends = [];
  }

  private blockOf(index: number): Block {
    const firstOpen = this.count - this.ends.length;
    if (index >= firstOpen) {
      return { first: firstOpen, bytes: this.open, ends: Uint32Array.from(this.ends) };
    }
    let [low, high] = [0, this.blocks.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.blocks[middle].first <= index) low = middle;
      else high = middle - 1;
    }
    return this.blocks[low];
  }
}

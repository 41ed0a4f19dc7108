/**
 * Messages between processes, through pipes: the length of a header (u32) and that of the bytes after it (u64),
 * both little-endian, the header in JSON, and the bytes. `crc` in a header is the CRC-32 of the bytes.
 */
import { crc32 } from "node:zlib";

export type Header = Record<string, unknown>;

export interface Frame {
  header: Header;
  bytes: Uint8Array<ArrayBuffer>;
}

const LENGTHS = 12;

/** The pieces of a frame, to be written one after another. */
export function encodeFrame(header: Header, pieces: readonly Uint8Array[] = []): Uint8Array[] {
  let crc = 0;
  let size = 0;
  for (const piece of pieces) {
    crc = crc32(piece, crc);
    size += piece.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(size > 0 ? { ...header, crc } : header));
  const head = new Uint8Array(LENGTHS + json.length);
  const view = new DataView(head.buffer);
  view.setUint32(0, json.length, true);
  view.setBigUint64(4, BigInt(size), true);
  head.set(json, LENGTHS);
  return [head, ...pieces];
}

/** @throws Error at bytes whose checksum is another than their header's, or at half a frame */
export async function* decodeFrames(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Frame> {
  const source = new Source(stream);
  for (;;) {
    const lengths = await source.take(LENGTHS);
    if (!lengths) return;
    const view = new DataView(lengths.buffer);
    const head = await source.take(view.getUint32(0, true));
    const bytes = head && (await source.take(Number(view.getBigUint64(4, true))));
    if (!bytes) throw new Error("a message was cut short");
    const header: Header = JSON.parse(new TextDecoder().decode(head));
    if (bytes.length > 0 && crc32(bytes) !== header.crc) {
      throw new Error("a message was damaged on its way");
    }
    yield { header, bytes };
  }
}

/** A stream of pieces, taken by number of bytes. */
class Source {
  private readonly pieces: AsyncIterator<Uint8Array>;
  private rest: Uint8Array = new Uint8Array(0);

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.pieces = stream[Symbol.asyncIterator]();
  }

  /** The next `count` bytes, in memory of their own; null where the stream ends. */
  async take(count: number): Promise<Uint8Array<ArrayBuffer> | null> {
    const taken = new Uint8Array(count);
    let filled = 0;
    while (filled < count) {
      if (this.rest.length === 0) {
        const { value, done } = await this.pieces.next();
        if (done) return null;
        this.rest = value;
      }
      const some = this.rest.subarray(0, count - filled);
      taken.set(some, filled);
      filled += some.length;
      this.rest = this.rest.subarray(some.length);
    }
    return taken;
  }
}

/**
 * Messages between processes, through pipes, all numbers little-endian:
 *
 *     length of the header (u32), length of the bytes (u64), CRC-32 of these twelve (u32)
 *     the header in JSON, the bytes, CRC-32 of both (u32)
 *
 * Whatever of it is damaged on its way is noticed: lengths before anything is waited for by them.
 */
import { crc32 } from "node:zlib";

export type Header = Record<string, unknown>;

export interface Frame {
  header: Header;
  bytes: Uint8Array<ArrayBuffer>;
}

const LENGTHS = 16;
const CRC = 4;

/** The pieces of a frame, to be written one after another. */
export function encodeFrame(header: Header, pieces: readonly Uint8Array[] = []): Uint8Array[] {
  const json = new TextEncoder().encode(JSON.stringify(header));
  let crc = crc32(json);
  let size = 0;
  for (const piece of pieces) {
    crc = crc32(piece, crc);
    size += piece.byteLength;
  }
  const head = new Uint8Array(LENGTHS + json.length);
  const view = new DataView(head.buffer);
  view.setUint32(0, json.length, true);
  view.setBigUint64(4, BigInt(size), true);
  view.setUint32(12, crc32(head.subarray(0, 12)), true);
  head.set(json, LENGTHS);
  const tail = new Uint8Array(CRC);
  new DataView(tail.buffer).setUint32(0, crc, true);
  return [head, ...pieces, tail];
}

/** @throws Error at what was damaged, or at half a frame */
export async function* decodeFrames(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Frame> {
  const source = new Source(stream);
  for (;;) {
    const lengths = await source.take(LENGTHS);
    if (!lengths) return;
    const view = new DataView(lengths.buffer);
    if (crc32(lengths.subarray(0, 12)) !== view.getUint32(12, true)) throw damaged();
    const head = await source.take(view.getUint32(0, true));
    const bytes = head && (await source.take(Number(view.getBigUint64(4, true))));
    const tail = bytes && (await source.take(CRC));
    if (!tail) throw new Error("a message was cut short");
    if (crc32(bytes, crc32(head)) !== new DataView(tail.buffer).getUint32(0, true)) throw damaged();
    yield { header: JSON.parse(new TextDecoder().decode(head)), bytes };
  }
}

const damaged = () => new Error("a message was damaged on its way");

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

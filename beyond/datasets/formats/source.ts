/** The bytes of a data file or of standard input, unpacked if they are gzipped, a piece at a time. */
import { statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { UserError } from "../../../lib/errors.ts";

/** Plain memory, shared with no other thread. */
export type Bytes = Uint8Array<ArrayBuffer>;

export interface Source {
  /** The first bytes, for telling what the file is. They come again in `pieces`. */
  head: Uint8Array;
  pieces: AsyncIterable<Bytes>;
  /** Reads bytes [start, end) of a file that can be read anywhere; absent for a pipe and what is gzipped. */
  file?: { byteLength: number; slice: (start: number, end?: number) => Promise<ArrayBuffer> };
  close: () => Promise<void>;
}

const PIECE = 1 << 18;
/** Bytes of `head`, where there are as many. */
const HEAD = 4096;

/** Opens a file; `-` is standard input. `what` names the rows in messages. */
export async function openSource(path: string, what: string): Promise<Source> {
  if (path === "-") return described(path, process.stdin);
  const handle = await openFile(path, what);
  try {
    const { size } = await handle.stat();
    const source = await described(path, readPieces(handle, path));
    // a pipe has no size
    const file = size > 0 && !source.unpacked ? randomAccess(handle, path, size) : undefined;
    const close = () => source.close().then(() => handle.close());
    return { ...source, file, close };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** @throws UserError if there is no file, or it cannot be read; a pipe, which is read but once, is taken as it is */
export async function requireFile(path: string, what: string): Promise<void> {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found || found.isFile() || found.isDirectory()) await (await openFile(path, what)).close();
}

async function openFile(path: string, what: string): Promise<FileHandle> {
  try {
    const handle = await open(path);
    if (!(await handle.stat()).isDirectory()) return handle;
    await handle.close();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT") {
      throw new UserError(`${path}: no such file; give the path of a JSONL file of ${what}`);
    }
    if (code !== "EISDIR") throw unreadable(path, error);
  }
  throw new UserError(`${path} is a folder; give the path of a JSONL file of ${what} in it`);
}

const unreadable = (path: string, error: unknown) =>
  new UserError(
    `${path} cannot be read (${(error as NodeJS.ErrnoException).code}); check its permissions`,
  );

async function* readPieces(handle: FileHandle, path: string): AsyncGenerator<Bytes> {
  for (;;) {
    const piece = new Uint8Array(PIECE);
    const { bytesRead } = await handle.read(piece, 0, PIECE, null).catch((error) => {
      throw unreadable(path, error);
    });
    if (bytesRead === 0) return;
    yield piece.subarray(0, bytesRead);
  }
}

function randomAccess(handle: FileHandle, path: string, size: number): Source["file"] {
  return {
    byteLength: size,
    async slice(start, end = size) {
      const bytes = new Uint8Array(end - start);
      for (let done = 0; done < bytes.length; ) {
        const { bytesRead } = await handle.read(bytes, done, bytes.length - done, start + done);
        if (bytesRead === 0) throw new UserError(`${path} became shorter while it was read`);
        done += bytesRead;
      }
      return bytes.buffer;
    },
  };
}

async function described(path: string, pieces: AsyncIterable<Bytes>) {
  const packed = await withHead(pieces);
  if (!isGzip(packed.head)) return { ...packed, unpacked: false };
  const inside = createGunzip();
  // what fails is told to the one who reads
  pipeline(Readable.from(packed.pieces), inside, () => {});
  return { ...(await withHead(whole(inside, path))), unpacked: true };
}

const isGzip = ([a, b]: Uint8Array) => a === 0x1f && b === 0x8b;

/** What is unpacked, an error for what is damaged. */
async function* whole(stream: AsyncIterable<Bytes>, path: string) {
  try {
    yield* stream;
  } catch (error) {
    if (error instanceof UserError) throw error;
    const cut = /unexpected end/i.test((error as Error).message);
    throw new UserError(
      `${path}: the gzipped data is ${cut ? "cut off" : "damaged"}; fetch it again`,
    );
  }
}

/** Reads ahead until the head is there, and puts it back. */
async function withHead(pieces: AsyncIterable<Bytes>): Promise<Source> {
  const iterator = pieces[Symbol.asyncIterator]();
  const first: Bytes[] = [];
  for (let length = 0; length < HEAD; ) {
    const { value, done } = await iterator.next();
    if (done) break;
    first.push(value);
    length += value.length;
  }
  async function* all() {
    yield* first;
    first.length = 0;
    yield* { [Symbol.asyncIterator]: () => iterator };
  }
  const head = Buffer.concat(first).subarray(0, HEAD);
  return { head, pieces: all(), close: async () => void (await iterator.return?.()) };
}

import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { fileBlob } from "#platform/files.ts";
import { UserError } from "../../lib/errors.ts";

/**
 * What the user can do about a failure of the disk, as a `UserError` that names `path`; any other error
 * is returned as it is. Knows the codes of the operating system and of SQLite.
 */
export function diskError(error: unknown, path: string): unknown {
  const code = String((error as { code?: unknown })?.code);
  if (/^(ENOSPC|EDQUOT|SQLITE_FULL)/.test(code)) {
    return new UserError(`${path}: the disk is full; free some space, then go on with --resume`);
  }
  if (code === "EROFS") {
    return new UserError(`${path}: this disk is read-only; choose a folder elsewhere`);
  }
  if (/^(EACCES|EPERM|SQLITE_READONLY|SQLITE_CANTOPEN|SQLITE_PERM)/.test(code)) {
    return new UserError(`${path}: no permission; change its permissions or choose another folder`);
  }
  if (/^EISDIR/.test(code)) {
    return new UserError(`${path} is a folder, and should be a file; check the path`);
  }
  if (/^(EMFILE|ENFILE)/.test(code)) {
    return new UserError(`${path}: too many files are open; raise the limit: ulimit -n 4096`);
  }
  if (/^(ENOENT|ENOTDIR)/.test(code)) {
    return new UserError(`${path}: no such file or folder; check the path`);
  }
  if (/^(EIO|SQLITE_IOERR)/.test(code)) return new UserError(`${path}: the disk failed (${code})`);
  if (/^(SQLITE_NOTADB|SQLITE_CORRUPT)/.test(code)) {
    return new UserError(`${path} is corrupt; restore it from a copy or start another run`);
  }
  return error;
}

/** Writes a text file, and its folder where there is none: the old file stays until the new one is whole. */
export function replaceFile(path: string, text: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.partial`, text, { flush: true });
    renameSync(`${path}.partial`, path);
  } catch (error) {
    throw diskError(error, path);
  }
}

/** Waits until what was renamed or made in a folder is on the disk; Windows does that by itself. */
export function syncFolder(path: string): void {
  if (process.platform === "win32") return;
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** A file's length and CRC-32: enough to find a truncated or damaged one. */
export interface FileCheck {
  bytes: number;
  crc32: number;
}

/** Bytes given to the system at once. */
const SLICE = 1 << 26;

/** Writes the pieces to a new file and waits until they are on the disk. */
export async function writeDurably(
  path: string,
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<FileCheck> {
  const check: FileCheck = { bytes: 0, crc32: 0 };
  try {
    const file = await open(path, "w");
    try {
      for await (const piece of pieces) {
        check.crc32 = crc32(piece, check.crc32);
        for (let at = 0; at < piece.length; ) {
          const length = Math.min(SLICE, piece.length - at);
          at += (await file.write(piece, at, length)).bytesWritten;
        }
        check.bytes += piece.length;
      }
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw diskError(error, path);
  }
  return check;
}

/** Writes a file that must not exist yet: until it is whole it has another name, and it goes if that fails. */
export async function writeNew(
  path: string,
  pieces: Parameters<typeof writeDurably>[1],
): Promise<FileCheck> {
  const partial = `${path}.partial`;
  try {
    const check = await writeDurably(partial, pieces);
    renameSync(partial, path);
    return check;
  } catch (error) {
    rmSync(partial, { force: true });
    throw diskError(error, path);
  }
}

/** Reads the file again and compares. */
export async function isIntact(path: string, expected: FileCheck): Promise<boolean> {
  const file = fileBlob(path);
  if (file.size !== expected.bytes) return false;
  let crc = 0;
  for await (const piece of file.stream()) crc = crc32(piece, crc);
  return crc === expected.crc32;
}

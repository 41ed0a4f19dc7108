import { readFileSync } from "node:fs";
import { totalmem } from "node:os";
import { UserError } from "../../lib/errors.ts";

/** The bytes that a file of this process may have, by what /proc/self/limits says; infinity where nothing limits them. */
export function fileSizeLimit(limits: string): number {
  const soft = /^Max file size +(\d+)/m.exec(limits)?.[1];
  return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
}

/**
 * Mesa's lavapipe keeps a device's memory in files without a name, and does not notice where one may not grow: the
 * process would end by a bus error.
 * @throws UserError where files may not be as large as memory
 */
export function requireLargeFiles(adapter: string): void {
  // Deno would ask the user for leave to read it
  if (!adapter.startsWith("llvmpipe") || "Deno" in globalThis) return;
  let limits = "";
  try {
    limits = readFileSync("/proc/self/limits", "utf8");
  } catch {}
  const bytes = fileSizeLimit(limits);
  if (bytes >= totalmem()) return;
  const mebibytes = Math.round(bytes / 2 ** 20).toLocaleString("en");
  throw new UserError(
    `lavapipe keeps its memory in files, which are limited to ${mebibytes} MiB here: lift the limit ` +
      "(ulimit -f unlimited), or compute on the embedded driver (--gpu swiftshader)",
  );
}

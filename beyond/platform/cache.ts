import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { sha256 } from "#platform/hash.ts";

/**
 * Folders where unpacked libraries and what was measured may live, best first: the user's cache folder, then a private
 * folder under the temporary one for users whose home is read-only or not executable.
 */
function cacheFolders(): string[] {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  const user = XDG_CACHE_HOME || LOCALAPPDATA || join(homedir(), ".cache");
  return [join(user, "rlexplore"), join(tmpdir(), `rlexplore-${process.getuid?.() ?? "cache"}`)];
}

/** The first file of this name in the cache, and what `parse` makes of it; files that it throws at are none. */
export function readCached<T>(
  name: string,
  parse: (text: string) => T,
  folders = cacheFolders(),
): { path: string; value: T } | null {
  for (const folder of folders) {
    try {
      const path = join(folder, name);
      return { path, value: parse(readFileSync(path, "utf8")) };
    } catch {}
  }
  return null;
}

/**
 * Writes a file of the cache aside and renames it, in the first folder where that works.
 * @returns its path, or null where no folder will do
 */
export function writeCached(name: string, text: string, folders = cacheFolders()): string | null {
  for (const folder of folders) {
    const path = join(folder, name);
    const aside = `${path}.${crypto.randomUUID()}`;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      if (process.getuid && statSync(folder).uid !== process.getuid()) continue;
      try {
        writeFileSync(aside, text);
        renameSync(aside, path);
      } finally {
        rmSync(aside, { force: true });
      }
      return path;
    } catch {}
  }
  return null;
}

/**
 * Puts embedded libraries on the disk, where the system can load them, on their first use.
 * @param name of the folder, with a hash of the content
 * @param fill writes the libraries into the folder it is given
 * @param load loads them, and throws where that does not work (a disk mounted `noexec`, say)
 * @returns the folder, or null where no folder will do
 */
export async function unpackOnce(
  name: string,
  fill: (folder: string) => Promise<unknown>,
  load: (folder: string) => void,
): Promise<string | null> {
  for (const base of cacheFolders()) {
    try {
      const folder = await unpackInto(base, name, fill);
      load(folder);
      return folder;
    } catch {}
  }
  return null;
}

/**
 * The folder is filled aside and renamed into place, so that one which exists was complete, also when two processes
 * start at once. One that was damaged since goes: the system would load half a library, and crash.
 */
export async function unpackInto(
  base: string,
  name: string,
  fill: (folder: string) => Promise<unknown>,
): Promise<string> {
  const folder = join(base, name);
  await mkdir(base, { recursive: true, mode: 0o700 });
  // Code is loaded from here: a folder that another user made under /tmp is not to be trusted.
  if (process.getuid && (await stat(base)).uid !== process.getuid()) {
    throw new Error(`${base} belongs to another user`);
  }
  if (await isWhole(folder)) return folder;
  const aside = `${folder}.${crypto.randomUUID()}`;
  try {
    await mkdir(aside);
    await fill(aside);
    await writeFile(join(aside, HASHES), JSON.stringify(await hashesIn(aside)));
    // another process may have been faster: then its folder stays, and to rename this one fails
    if (existsSync(folder) && !(await isWhole(folder)))
      await rm(folder, { recursive: true, force: true });
    await rename(aside, folder);
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    if (!(await isWhole(folder))) throw error;
  }
  return folder;
}

/** Beside the libraries, what they were when they were unpacked: the hash of each by its name. */
const HASHES = "hashes.json";

async function hashesIn(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).filter((name) => name !== HASHES).sort();
  const hashes = names.map(async (name) => {
    const content = await readFile(join(folder, name));
    return [name, sha256().update(content).digest()];
  });
  return Object.fromEntries(await Promise.all(hashes));
}

async function isWhole(folder: string): Promise<boolean> {
  try {
    const expected = JSON.parse(await readFile(join(folder, HASHES), "utf8"));
    return isDeepStrictEqual(expected, await hashesIn(folder));
  } catch {
    return false;
  }
}

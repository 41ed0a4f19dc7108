import { mkdir, rename, rm, stat } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Folders where unpacked libraries may live, best first: the user's cache folder, then a private
 * folder under the temporary one for users whose home is read-only or not executable.
 */
export function cacheFolders(): string[] {
  const user = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  return [join(user, "rlexplore"), join(tmpdir(), `rlexplore-${process.getuid?.() ?? "cache"}`)];
}

/**
 * The folder `base/name`, filled by `fill` on its first use. It is filled aside and renamed into
 * place, so that a folder which exists is complete, also when two processes start at once.
 */
export async function unpackOnce(
  base: string,
  name: string,
  fill: (folder: string) => Promise<unknown>,
): Promise<string> {
  const folder = join(base, name);
  await mkdir(base, { recursive: true, mode: 0o700 });
  // Libraries are loaded from here: a folder that another user made under /tmp is not ours to trust.
  if (process.getuid && (await stat(base)).uid !== process.getuid()) {
    throw new Error(`${base} belongs to another user`);
  }
  if (await exists(folder)) return folder;
  const aside = `${folder}.${process.pid}.${crypto.randomUUID().slice(0, 8)}`;
  try {
    await fill(aside);
    await rename(aside, folder);
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    if (!(await exists(folder))) throw error;
  }
  return folder;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

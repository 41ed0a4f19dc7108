import { mkdir, rename, rm, stat } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Folders where unpacked libraries may live, best first: the user's cache folder, then a private
 * folder under the temporary one for users whose home is read-only or not executable.
 */
function cacheFolders(): string[] {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  const user = XDG_CACHE_HOME || LOCALAPPDATA || join(homedir(), ".cache");
  return [join(user, "rlexplore"), join(tmpdir(), `rlexplore-${process.getuid?.() ?? "cache"}`)];
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
 * The folder is filled aside and renamed into place, so that one which exists is complete, also when
 * two processes start at once.
 */
async function unpackInto(
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
  if (await exists(folder)) return folder;
  const aside = `${folder}.${crypto.randomUUID()}`;
  try {
    await mkdir(aside);
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

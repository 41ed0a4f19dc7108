/** Files of the user's: TypeScript or JavaScript, loaded as they are, also by the executable. */

import { existsSync, readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { sha256 } from "#platform/hash.ts";
import { UserError } from "../../lib/errors.ts";
import { isOwnFile, nameOf } from "./file.ts";
import { describeError } from "./mistakes.ts";
import { asOwnLoading } from "./printing.ts";
import { guardAgainstStrays } from "./strays.ts";
import { within } from "./within.ts";

/** Seconds that a file may take to be loaded: it may await something at its top. */
const LOADING = 60;

/** What a file exports. */
export type Exports = Readonly<Record<string, unknown>>;

/**
 * Loads a file.
 * @param flag the flag that names it, for messages
 * @throws UserError, with the line of a mistake, if it cannot be loaded, or is not after so many seconds
 */
export async function loadOwn(flag: string, path: string, seconds = LOADING): Promise<Exports> {
  const file = resolve(path);
  const isFile = statSync(file, { throwIfNoEntry: false })?.isFile();
  if (!isFile) {
    const what = existsSync(file) ? "is no file" : "no such file";
    throw new UserError(`${flag} ${path}: ${what}`);
  }
  if (path.endsWith(".py")) {
    throw new UserError(`${flag} ${path}: own code is TypeScript or JavaScript, not Python`);
  }
  guardAgainstStrays(flag, path);
  try {
    const load = () =>
      within<Exports>(seconds, import(pathToFileURL(file).href), "end of its loading");
    return await asOwnLoading(load);
  } catch (error) {
    throw new UserError(`${flag} ${path} cannot be loaded: ${describeError(error, path)}`);
  }
}

/** A sum with the paths of its files absolute. */
export const withAbsoluteFiles = (sum: string): string =>
  sum
    .split(",")
    .map((term) => {
      const name = nameOf(term);
      return isOwnFile(name) ? term.trim().replace(name, () => resolve(name)) : term;
    })
    .join(",");

/** SHA-256 of a file, in hexadecimal. */
export const hashOf = (path: string): string => sha256().update(readFileSync(path)).digest();

/** Own files of a run that lie elsewhere now than when it was begun. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { isOwnFile, nameOf, type OwnSettings, SUMS, typedOwn } from "./file.ts";

/**
 * The settings of a run with the files of own code that are gone where the command line says that they are now: in the
 * same places of the same flags. Whether they are still what they were is told by their hashes.
 * @throws UserError for a file that is gone, and is named nowhere else
 */
export function whereOwnFilesAre<S extends OwnSettings>(stored: S, args: readonly string[]): S {
  const typed = typedOwn(args);
  const found: OwnSettings = {};
  for (const key of ["outcome", ...SUMS] as const) {
    const terms = termsOf(key, stored[key]);
    if (!terms.some((term) => isOwnFile(nameOf(term)))) continue;
    const now = termsOf(key, typed[key]);
    const isAligned = now.length === terms.length;
    const located = terms.map((term, i) => {
      const path = nameOf(term);
      if (!isOwnFile(path) || existsSync(path)) return term;
      const other = isAligned ? nameOf(now[i]) : "";
      if (isOwnFile(other)) return term.replace(path, () => resolve(other));
      const where = term.replace(/.*[/\\]/s, "where/it/is/");
      const fix = terms.with(i, where).join(",");
      throw new UserError(
        `--${key} ${path}: no such file; put it back, or say where it is now: --${key} ${fix}`,
      );
    });
    found[key] = located.join(",");
  }
  return { ...stored, ...found };
}

/** The terms of a sum; an outcome is one. */
const termsOf = (key: string, value: string | null | undefined): string[] =>
  key === "outcome" ? [value ?? ""] : (value ?? "").split(",");

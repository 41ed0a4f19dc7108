import { basename, relative, resolve } from "node:path";
import { runtime } from "#platform/process.ts";

/** How this program was called, so that a command which it names works when it is pasted. */
export function programName(argv0 = process.argv0, script = process.argv[1] ?? ""): string {
  if (isCompiled(script)) return basename(argv0) === "bun" ? "rlexplore" : shellWord(argv0);
  const isMain = basename(script) === "main.ts";
  return isMain ? `${runtime.starter} ${shellWord(relative(process.cwd(), script))}` : "rlexplore";
}

/** A compiled executable runs a script of its own inside itself. */
const isCompiled = (script: string) =>
  script.startsWith("/$bunfs/") || /^[A-Z]:[\\/]~BUN/.test(script);

/** What starts this program again, and the file that is all of it, where there is one. */
export function startsAgain(): { command: string[]; file: string | null } {
  const { execPath, argv } = process;
  const [, script = ""] = argv;
  return isCompiled(script)
    ? { command: [execPath], file: execPath }
    : { command: [execPath, ...runtime.starter.split(" ").slice(1), resolve(script)], file: null };
}

/**
 * A command of this program as it works when it is pasted: a tag of templates such as `train --resume ${path}`, which
 * begins them as the program was called, and quotes what is filled in where a shell needs it.
 */
export const command = (strings: TemplateStringsArray, ...words: string[]): string =>
  `${programName()} ${String.raw({ raw: strings.raw }, ...words.map((word) => shellWord(word)))}`;

/** A word as a shell reads it: that of Windows knows double quotes alone. */
export function shellWord(word: string, platform: string = process.platform): string {
  if (platform === "win32") return /^[\w./\\:@,=+-]+$/.test(word) ? word : `"${word}"`;
  return /^[\w./:@,=+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Flags as they are pasted behind a command, by their names; one whose value is "" stands alone. */
export const flagLine = (flags: Iterable<readonly [string, string]>): string =>
  Array.from(flags, ([name, value]) => `--${name}${value && ` ${shellWord(value)}`}`).join(" ");

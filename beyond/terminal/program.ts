import { basename, relative } from "node:path";

/** How this program was called, so that a command which it names works when it is pasted. */
export function programName(argv0 = process.argv0, script = process.argv[1] ?? ""): string {
  // a compiled executable runs a script of its own inside itself
  const isCompiled = script.startsWith("/$bunfs/") || /^[A-Z]:[\\/]~BUN/.test(script);
  if (isCompiled) return basename(argv0) === "bun" ? "rlexplore" : argv0;
  return script === "" ? "rlexplore" : `bun ${relative(process.cwd(), script)}`;
}

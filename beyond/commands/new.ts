import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { STARTS, TYPES } from "../own/starts.ts";
import { replaceFile, writeDurably } from "../platform/files.ts";
import type { NewSettings } from "../settings/files.ts";
import { command } from "../terminal/program.ts";

/** `rlexplore new`: the beginning of a file of own code, and beside it the types that an editor shows. */
export async function begin({ kind, file }: NewSettings): Promise<void> {
  if (existsSync(file)) throw new UserError(`${file} already exists; choose another name`);
  const types = join(dirname(file), "rlexplore.d.ts");
  const code = STARTS[kind].replaceAll("NAME", basename(file));
  await writeDurably(file, [new TextEncoder().encode(code)]);
  replaceFile(types, TYPES);
  const article = /^[ao]/.test(kind) ? "an" : "a";
  console.log(`${file} is ${article} ${kind} to change; ${types} tells an editor the types`);
  console.log(`try it: ${command`check ${file}`}`);
}

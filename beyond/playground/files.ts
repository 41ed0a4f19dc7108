import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { fileBlob } from "#platform/files.ts";
import { UserError } from "../../lib/errors.ts";

const FOLDER = fileURLToPath(new URL("../../dist/playground/", import.meta.url));

/** The playground's files by name, as `npm run playground` built them; the executable has them inside instead. */
export function playgroundFiles(): Map<string, Blob> {
  if (!existsSync(FOLDER)) throw new UserError(`${FOLDER} is not there yet: npm run playground`);
  return new Map(readdirSync(FOLDER).map((name) => [name, fileBlob(FOLDER + name)]));
}

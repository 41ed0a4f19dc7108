import { existsSync } from "node:fs";
import { UserError } from "../../lib/errors.ts";
import { replaceFile } from "../platform/files.ts";
import type { MakeSettings } from "../settings/files.ts";
import { COUNTDOWN } from "../tasks/countdown.ts";
import { makeRows, type TaskSettings, toJsonLines } from "../tasks/tasks.ts";

/** `rlexplore data make`: rows of a built-in task, to a file or to standard output. */
export async function makeData(given: MakeSettings): Promise<void> {
  const { task, output } = given;
  if (output !== null && existsSync(output)) {
    throw new UserError(`${output} already exists; choose another file for --output`);
  }
  const settings: TaskSettings = { ...COUNTDOWN, ...given };
  const text = toJsonLines(makeRows(task, settings));
  if (output === null) return void process.stdout.write(text);
  replaceFile(output, text);
  console.log(`${given.n.toLocaleString("en")} rows of ${task} are in ${output}`);
}

/** What the user's own code throws when nobody waits for it: in a timer, or in a promise that was let go. */
import { describeError, placeIn } from "./mistakes.ts";

/** The files that are loaded, by the flag that names each. */
const loaded = new Map<string, string>();
const stray = new AbortController();

/** Aborts when own code threw when nobody waited for it: what goes on then is saved, and ends. */
export const straySignal: AbortSignal = stray.signal;

/** From now on what this file throws late is one line, and ends the program with exit code 2 once it has saved. */
export function guardAgainstStrays(flag: string, path: string): void {
  if (loaded.size === 0) {
    process.on("uncaughtException", report);
    process.on("unhandledRejection", report);
  }
  loaded.set(path, flag);
}

function report(error: unknown): void {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const paths = [...loaded.keys()];
  const path = paths.find((path) => placeIn(stack, path) !== null) ?? (stack ? null : paths[0]);
  if (path === null) {
    // not of the user's making: as without this file
    console.error(`rlexplore: ${error instanceof Error ? error.message : error}`);
    if (process.env.RLEXPLORE_DEBUG === "1") console.error(stack);
    process.exit(1);
  }
  if (stray.signal.aborted) return;
  process.exitCode = 2;
  const what = "threw in a timer or a promise that nothing waits for";
  console.error(`rlexplore: ${loaded.get(path)} ${path} ${what}: ${describeError(error, path)}`);
  stray.abort();
}

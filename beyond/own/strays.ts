/** What the user's own code does when nobody waits for it: what it throws in a timer, or in a promise let go; its exits. */
import { describeError, placeIn } from "./mistakes.ts";

/** The files that are loaded, by the flag that names each. */
const loaded = new Map<string, string>();
const stray = new AbortController();

/** Aborts when own code threw when nobody waited for it: what goes on then is saved, and ends. */
export const straySignal: AbortSignal = stray.signal;

/** From now on what this file throws late is one line, and ends the program with exit code 2 once it has saved. */
export function guardAgainstStrays(flag: string, path: string): void {
  if (loaded.size === 0) {
    process.exit = exitUnlessOwn;
    process.on("uncaughtException", report);
    process.on("unhandledRejection", report);
  }
  loaded.set(path, flag);
}

const exit: typeof process.exit = process.exit.bind(process);

/** `process.exit`, which own code may not call: the run would end as if it had come to its end. */
function exitUnlessOwn(code?: number | string | null): never {
  const error = new Error("it calls process.exit, which would end the run unsaved");
  // without this function's own line
  const callers = (error.stack ?? "").split("\n").slice(2).join("\n");
  if ([...loaded.keys()].some((path) => placeIn(callers, path) !== null)) throw error;
  return exit(code);
}

function report(error: unknown): void {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const paths = [...loaded.keys()];
  const path = paths.find((path) => placeIn(stack, path) !== null) ?? (stack ? null : paths[0]);
  if (path === null) {
    // not of the user's making: as without this file
    console.error(`rlexplore: ${error instanceof Error ? error.message : error}`);
    if (process.env.RLEXPLORE_DEBUG === "1") console.error(stack);
    exit(1);
  }
  if (stray.signal.aborted) return;
  process.exitCode = 2;
  const what = "threw in a timer or a promise that nothing waits for";
  console.error(`rlexplore: ${loaded.get(path)} ${path} ${what}: ${describeError(error, path)}`);
  stray.abort();
}

import { straySignal } from "../own/strays.ts";

/** Aborts at the first Ctrl-C, so that work can be saved; the second ends the process at once. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(130);
    process.exitCode = 130;
    controller.abort();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  // the terminal was closed
  process.on("SIGHUP", interrupt);
  return AbortSignal.any([controller.signal, straySignal]);
}

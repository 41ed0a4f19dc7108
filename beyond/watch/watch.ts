import { existsSync } from "node:fs";
import { UserError } from "../../lib/errors.ts";
import type { WatchSettings } from "../settings/measuring.ts";
import { LiveReport } from "./live-report.ts";
import { serve } from "./serve.ts";

/** Milliseconds between looks at the run. */
const PAUSE = 1000;

/**
 * `rlexplore watch`: the report of a run, live on 127.0.0.1. Reads only what was written since the last
 * look, draws only while a page is open, and sends a page the sections that changed.
 * @throws UserError when a run is there no more
 */
export async function watch(settings: WatchSettings, signal: AbortSignal): Promise<void> {
  const live = new LiveReport(settings);
  const aborted = new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  await live.open();
  const server = serve(settings.port, live);
  try {
    console.log(
      `watching ${settings.runs.join(", ")}: open http://127.0.0.1:${server.port}/ (Ctrl-C ends it)`,
    );
    while (!signal.aborted) await Promise.race([look(live, signal), aborted]);
  } catch (error) {
    // half of a folder that is being deleted may have been read
    const gone = settings.runs.find((path) => !existsSync(path));
    throw gone ? new UserError(`${gone} was deleted or moved; watch ends here`) : error;
  } finally {
    live.close();
    await server.stop();
  }
}

/** Looks once, and waits a little. */
async function look(live: LiveReport, signal: AbortSignal): Promise<void> {
  await live.update();
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, PAUSE);
    signal.addEventListener("abort", end);
  });
}

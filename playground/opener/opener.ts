/** The thread that reads runs of the executable, so that the page answers meanwhile. */
import { type GivenFile, type OpenedRun, readRuns } from "./runs.ts";

/** What is told of the files that were given. */
export type Reading = { runs: OpenedRun[] } | { problem: string };

self.onmessage = async ({ data }: MessageEvent<GivenFile[]>) => {
  const reading: Reading = await readRuns(data).then(
    (runs) => ({ runs }),
    (error: Error) => ({ problem: error.message }),
  );
  postMessage(reading);
};

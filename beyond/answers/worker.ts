/** The judging thread: receives tasks, one at a time, and sends what comes of them. */
import { lastMatches, type MatchTask } from "./pattern.ts";
import type { MathTask } from "./settle.ts";

declare const self: Worker;

/** Loads what judges mathematical answers, so that the time that takes is not theirs. */
export interface LoadTask {
  kind: "load";
}

async function perform(task: LoadTask | MathTask | MatchTask): Promise<unknown> {
  if (task.kind === "match") return lastMatches(task);
  const { settle } = await import("./settle.ts");
  return task.kind === "math" ? settle(task) : null;
}

self.onmessage = async ({ data }: MessageEvent<LoadTask | MathTask | MatchTask>) => {
  try {
    self.postMessage({ result: await perform(data) });
  } catch (error) {
    self.postMessage({ error: String(error) });
  }
};
self.postMessage("ready");

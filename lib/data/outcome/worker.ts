/** The judging thread: receives tasks, one at a time, and sends what comes of them. */
import { lastMatches, type MatchTask, type MathTask, settle } from "./settle.ts";

declare const self: Worker;

self.onmessage = async ({ data }: MessageEvent<MathTask | MatchTask>) => {
  try {
    self.postMessage({ result: data.kind === "math" ? await settle(data) : lastMatches(data) });
  } catch (error) {
    self.postMessage({ error: String(error) });
  }
};
self.postMessage("ready");

/** The judging thread: receives tasks, one at a time, and sends what comes of them. */
import { lastMatches, type MatchTask } from "./pattern.ts";
import { type MathTask, settle } from "./settle.ts";

declare const self: Worker;

self.onmessage = ({ data }: MessageEvent<MathTask | MatchTask>) => {
  try {
    self.postMessage({ result: data.kind === "match" ? lastMatches(data) : settle(data) });
  } catch (error) {
    self.postMessage({ error: String(error) });
  }
};
self.postMessage("ready");

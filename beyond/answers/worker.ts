/** The judging thread: receives tasks, one at a time, and sends what comes of them. */
import { answerWith } from "#platform/thread.ts";
import { lastMatches, type MatchTask } from "./pattern.ts";
import { type MathTask, settle } from "./settle.ts";

answerWith((task: MathTask | MatchTask) =>
  task.kind === "match" ? lastMatches(task) : settle(task),
);

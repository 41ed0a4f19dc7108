/** Where a run is: what is said of it is read from its folder, and true also while it evaluates, or after a kill. */

import type { ReportedRun } from "../report/runs.ts";
import { checkpointPath, checkpointSteps } from "../runs/checkpoint.ts";
import { whyNothing } from "../runs/learning-nothing.ts";
import { isWritten } from "../runs/lock.ts";
import { commandOf } from "../settings/stored.ts";

export interface RunStatus {
  name: string;
  path: string;
  /** Unknown for one of sft by an older version: nobody can tell whether it goes on. */
  state: "running" | "finished" | "stopped" | "unknown";
  step: number;
  /** Steps of the whole run; null if its settings do not say. */
  total: number | null;
  /** What it is doing, in its own words; empty if it does not say. */
  activity: string;
  /** Seconds of steps that are left; evaluations that are still to come are not in them. */
  left: number | null;
  /** The newest checkpoint; null without one. */
  saved: string | null;
  /** The command that goes on with it. */
  command: string;
  /** Why it has learned nothing lately; null if it has. */
  nothing: string | null;
}

/** @param now milliseconds since 1970 */
export function statusOf(run: ReportedRun, now = Date.now()): RunStatus {
  const { folder, settings } = run;
  const { maxSteps } = settings;
  const total = typeof maxSteps === "number" ? maxSteps : null;
  const step = run.lastStep;
  const command = commandOf(settings);
  const learns = command !== "sample-base";
  const saved = checkpointSteps(run.path).at(-1);
  const isDone = total !== null && step >= total && (!learns || (saved ?? 0) >= total);
  const running = isWritten(folder.ledgerPath);
  const said = running ? folder.readActivity() : null;
  return {
    name: run.name,
    path: run.path,
    state: running ? "running" : isDone ? "finished" : running === null ? "unknown" : "stopped",
    step,
    total,
    activity: said?.activity ?? "",
    left: said?.left == null ? null : Math.max(0, said.left - (now - said.at) / 1000),
    saved: saved === undefined ? null : checkpointPath(run.path, saved),
    command,
    nothing: command === "train" ? whyNothing(run.steps, settings) : null,
  };
}

import { optionName } from "../settings/flags.ts";
import type { ReportedRun, RunSettings } from "./runs.ts";

/** Runs that differ in their seed alone. */
export interface Method {
  /** What it is called everywhere in the report: `ucb-con`, or `ucb-con, c 0.4, learning-rate 0.001`. */
  name: string;
  explore: string;
  runs: ReportedRun[];
}

/** Settings that make no other method: where, how long, how shown. */
const INCIDENTAL = new Set(
  (
    "seed outputDir resume quiet json gpu logCompletions saveSteps saveTotalLimit saveBest evalFile evalSteps " +
    "evalSamples maxSteps microBatchTokens samplingBatchSize gradientCheckpointing explore data tensorboard"
  ).split(" "),
);

/** The order in which methods are listed. */
const ORDER = ["base", "none", "ucb", "ucb-mean", "ucb-con", "batch", "ucb-con,batch"];

/** What the exploration of a run is called; a run that learns nothing is the base model. */
function exploreOf({ settings }: ReportedRun): string {
  return settings.explore ?? "base";
}

/** Sorts runs into methods; what differs between runs of the same exploration joins the name. */
export function methodsOf(runs: readonly ReportedRun[]): Method[] {
  const explored = new Map<string, ReportedRun[]>();
  for (const run of runs) {
    const explore = exploreOf(run);
    explored.set(explore, [...(explored.get(explore) ?? []), run]);
  }
  const methods = new Map<string, Method>();
  for (const [explore, some] of explored) {
    const varying = explore === "base" ? [] : varyingSettings(some);
    for (const run of some) {
      const name = [explore, ...varying.map((key) => describe(key, run.settings))].join(", ");
      const method = methods.get(name) ?? { name, explore, runs: [] };
      method.runs.push(run);
      methods.set(name, method);
    }
  }
  const rank = ({ explore }: Method) => (ORDER.indexOf(explore) + ORDER.length) % ORDER.length;
  return [...methods.values()].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
}

const shown = (value: unknown) =>
  Array.isArray(value) ? value.join("/") : String(value ?? "none");

function describe(key: string, settings: RunSettings): string {
  const option = key === "exploreCoef" ? "c" : optionName(key);
  return `${option} ${shown(settings[key])}`;
}

/** The settings, other than incidental ones, in which these runs differ. */
function varyingSettings(runs: readonly ReportedRun[]): string[] {
  const keys = new Set(runs.flatMap(({ settings }) => Object.keys(settings)));
  return [...keys].filter((key) => {
    const values = new Set(runs.map(({ settings }) => JSON.stringify(settings[key] ?? null)));
    return values.size > 1 && !INCIDENTAL.has(key);
  });
}

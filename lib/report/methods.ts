import type { ReportedRun, RunSettings } from "./runs.ts";

/** Runs that differ in their seed alone. */
export interface Method {
  /** What it is called everywhere in the report: `ucb-con`, or `ucb-con, learning-rate 0.001`. */
  name: string;
  explore: string;
  runs: ReportedRun[];
}

/** Settings that make no other method: where, how long, how shown. */
const INCIDENTAL = new Set(
  (
    "seed outputDir resume quiet json gpu logCompletions saveSteps saveTotalLimit saveBest evalFile evalSteps " +
    "evalSamples maxSteps microBatchTokens samplingBatchSize gradientCheckpointing explore data b0 tensorboard"
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
  const varying = varyingSettings(runs);
  const methods = new Map<string, Method>();
  for (const run of runs) {
    const explore = exploreOf(run);
    const differences = explore === "base" ? [] : varying.map((key) => describe(key, run.settings));
    const name = [explore, ...differences].join(", ");
    const method = methods.get(name) ?? { name, explore, runs: [] };
    method.runs.push(run);
    methods.set(name, method);
  }
  const rank = ({ explore }: Method) => (ORDER.indexOf(explore) + ORDER.length) % ORDER.length;
  return [...methods.values()].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
}

const shown = (value: unknown) =>
  Array.isArray(value) ? value.join("/") : String(value ?? "none");

function describe(key: string, settings: RunSettings): string {
  const option = key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
  return `${option} ${shown(settings[key])}`;
}

/** The settings, other than incidental ones, in which runs of the same exploration differ. */
function varyingSettings(runs: readonly ReportedRun[]): string[] {
  const trained = runs.filter((run) => exploreOf(run) !== "base");
  const keys = new Set(trained.flatMap(({ settings }) => Object.keys(settings)));
  return [...keys].filter((key) => {
    if (INCIDENTAL.has(key)) return key === "b0" && differs(key, trained, "ucb-con");
    return differs(key, trained, "");
  });
}

function differs(key: string, runs: readonly ReportedRun[], within: string): boolean {
  const values = new Map<string, Set<string>>();
  for (const run of runs) {
    const explore = exploreOf(run);
    if (!explore.includes(within)) continue;
    const seen = values.get(explore) ?? new Set();
    values.set(explore, seen.add(JSON.stringify(run.settings[key] ?? null)));
  }
  return [...values.values()].some((seen) => seen.size > 1);
}

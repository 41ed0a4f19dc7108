import { basename, extname } from "node:path";
import { isOwnFile } from "../own/file.ts";
import { optionName } from "../settings/flags.ts";
import type { ReportedRun, RunSettings } from "./runs.ts";

/** Runs that are alike in all but their seed. */
export interface Method {
  /** What it is called everywhere in the report: `ucb-con`, `ucb-con, c 0.4`, or the name of its run. */
  name: string;
  explore: string;
  runs: ReportedRun[];
}

/** Settings that change no figure: where the run is kept, how it is shown, how much of it is done at once. */
const INCIDENTAL = new Set(
  (
    "seed outputDir runName resume quiet json gpu noTune logCompletions saveSteps saveTotalLimit saveBest evalSteps " +
    "samplingBatchSize kvCacheTokens speculativeRollouts microBatchTokens gradientCheckpointing tensorboard"
  ).split(" "),
);

/** Longest name that the charts have room for, and the most settings that it may tell. */
const LONGEST_NAME = 32;
const MOST_SETTINGS = 2;

/** The order in which methods are listed. */
const ORDER = ["base", "none", "ucb", "ucb-mean", "ucb-con", "batch", "ucb-con,batch"];

/**
 * What the exploration of a run is called, after an advantage other than GRPO's: `ucb-con`, `maxrl`, `maxrl,batch`. A
 * run that learns nothing is the base model.
 */
function exploreOf({ settings }: ReportedRun): string {
  const explore = settings.explore ?? "base";
  const advantage = String(settings.advantage ?? "grpo");
  const terms = advantage === "grpo" ? [] : [advantage];
  if (terms.length === 0 || explore !== "none") terms.push(...explore.split(","));
  return terms.map((term) => (isOwnFile(term) ? basename(term, extname(term)) : term)).join(",");
}

/**
 * Sorts runs into methods. Only runs that are alike in all but the seed are seeds of one method: data, number of steps
 * and held-out questions included, and evaluated alike. Two runs of one seed are no seeds of each other, and stand apart.
 */
export function methodsOf(runs: readonly ReportedRun[]): Method[] {
  const alike = [...Map.groupBy(runs, likeness).values()].flatMap((some) => {
    const seeds = new Set(some.map(({ settings }) => settings.seed));
    const isMethod = seeds.size === some.length && evaluatedAlike(some);
    return isMethod ? [some] : some.map((run) => [run]);
  });
  const methods = [...Map.groupBy(alike, ([run]) => exploreOf(run))].flatMap(
    ([explore, groups]) => {
      const varying = varyingSettings(groups.map(([run]) => run));
      const named = groups.map(([{ settings }]) =>
        [explore, ...varying.map((key) => describe(key, settings))].join(", "),
      );
      const tells =
        varying.length <= MOST_SETTINGS &&
        new Set(named).size === groups.length &&
        named.every((name) => name.length <= LONGEST_NAME);
      return groups.map((runs, i) => ({ name: tells ? named[i] : nameOf(runs), explore, runs }));
    },
  );
  const rank = ({ explore }: Method) => (ORDER.indexOf(explore) + ORDER.length) % ORDER.length;
  methods.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
  return methods.map((method, i) => {
    const isTaken = methods.slice(0, i).some(({ name }) => name === method.name);
    return isTaken ? { ...method, name: method.runs[0].path } : method;
  });
}

/** What must be equal for runs to be seeds of each other. */
const likeness = ({ settings, config }: ReportedRun) =>
  JSON.stringify([
    Object.entries(settings)
      .filter(([key, value]) => !INCIDENTAL.has(key) && value !== null)
      .sort(([a], [b]) => a.localeCompare(b)),
    // code of the user's, as it was when the run began, and where it was changed on the way
    config.origins?.own ?? {},
    config.origins?.ownLater ?? [],
  ]);

/** Whether these runs were asked the same held-out questions in the same way, as far as they were evaluated. */
function evaluatedAlike(runs: readonly ReportedRun[]): boolean {
  const asked = ({ evaluations }: ReportedRun, step: number) =>
    evaluations.at(step)?.likeness ?? [];
  const steps = new Set(runs.flatMap(({ evaluations }) => evaluations.steps));
  const atSteps = [...steps].map((step) => runs.flatMap((run) => asked(run, step)));
  // of seeds that have come to different steps
  const inAll = runs.map((run) => {
    const all = run.evaluations.steps.flatMap((step) => asked(run, step));
    return [...new Set(all)].sort().join("\n");
  });
  return [...atSteps, inAll.filter(Boolean)].every((some) => new Set(some).size < 2);
}

/** The name of the run, or of the first of its seeds. */
const nameOf = ([first, ...more]: readonly ReportedRun[]) =>
  more.length > 0 ? `${first.name} and ${more.length} more` : first.name;

/** A file is told by its name alone. */
const shown = (value: unknown) =>
  Array.isArray(value)
    ? value.join("/")
    : String(value ?? "none").replace(/^.*[\\/](?=[^\\/])/, "");

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

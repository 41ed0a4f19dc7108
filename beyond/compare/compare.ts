import { rmSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import type { Bridging } from "../cluster/bridge.ts";
import { evaluateModel } from "../commands/evaluate.ts";
import { sampleBase } from "../commands/sample-base.ts";
import { train } from "../commands/train.ts";
import { requireFile } from "../datasets/formats/source.ts";
import { readEvaluation } from "../measuring/evaluation.ts";
import { openData } from "../opening/questions.ts";
import { isOwnFile, SUMS } from "../own/file.ts";
import { loadMethods } from "../own/methods.ts";
import { replaceFile } from "../platform/files.ts";
import { checkpointPath } from "../runs/checkpoint.ts";
import { modelPath, RunFolder } from "../runs/folder.ts";
import { sampleBaseSettings, trainSettings } from "../settings/arguments.ts";
import { checkCache } from "../settings/checks.ts";
import type { CompareSettings } from "../settings/measuring.ts";
import { storedSettings } from "../settings/stored.ts";
import { command, flagLine } from "../terminal/program.ts";
import { Progress } from "../terminal/progress.ts";
import { type Experiment, type PlannedRun, readExperiment } from "./experiment.ts";
import { evaluationOf, folderOf, isBegun, isDone, isEvaluated } from "./folders.ts";
import { requireSame } from "./made-with.ts";
import { referenceOf, resultsOf } from "./results.ts";
import { type CarryOut, sideBySide } from "./side-by-side.ts";
import { goingOn, picture, reading, resultTable } from "./telling.ts";

/** `compare.json`, written before the first run: what the folder will hold. */
export interface Comparison {
  name: string;
  data: string;
  heldOut: string;
  /** In the order they are made; a run's folder has its name. */
  runs: Pick<PlannedRun, "name" | "method" | "seed" | "base" | "checkpoints">[];
}

/**
 * `rlexplore compare`: the runs of an experiment one after another, or with --ray side by side over a cluster, each
 * followed by the evaluation of its checkpoints. Nothing but the folders themselves says what is done: given
 * the same file again, what is there is left alone, and a run that was cut short goes on from its last checkpoint.
 */
export async function compare(given: CompareSettings, signal?: AbortSignal): Promise<void> {
  const { file, quiet, json } = given;
  const ray = given.ray === "none" ? null : given.ray;
  const folder = given.outputDir ?? join("runs", nameOf(file));
  const experiment = await readExperiment(file, folder);
  const { runs } = experiment;
  // what is wrong with a run is said before the first one is made
  await requireData(experiment);
  await requireSame(experiment, file);
  for (const run of runs) {
    const { kernels } = given;
    for (const settings of [run.settings, run.evaluation]) checkCache({ ...settings, kernels });
  }
  referenceOf(runs, given.reference);
  if (ray) requireOneCluster(runs, file);
  writeComparison(folder, experiment);
  const progress = new Progress({ total: runs.length, quiet, json });
  let isMade = false;
  const carryOut: CarryOut = async (run, signal, lane) => {
    const shown = { ...given, quiet: quiet || lane !== undefined };
    if (!isDone(run)) {
      progress.note(`run ${runs.indexOf(run) + 1} of ${runs.length}: ${run.name}`);
      await runOn(run, shown, signal, lane);
      isMade = true;
    }
    for (const step of run.checkpoints) {
      if (signal?.aborted) return;
      if (isEvaluated(run, step)) continue;
      await evaluateAt(run, step, shown, lane);
      isMade = true;
    }
  };
  if (ray) {
    await sideBySide({ ...given, ray }, runs, carryOut, progress, signal);
  } else {
    for (const run of runs) if (!signal?.aborted) await carryOut(run, signal);
  }
  if (signal?.aborted) {
    progress.result("stopped", { folder }, `stopped; go on with: ${again(given)}`);
    return;
  }
  // what took days may have been changed meanwhile
  if (isMade) await requireSame(experiment, file);
  const results = resultsOf(folder, experiment, given.reference);
  replaceFile(join(folder, "results.json"), `${JSON.stringify(results, null, 1)}\n`);
  const image = join(folder, "pass.svg");
  replaceFile(image, await picture(results));
  const told = [
    resultTable(folder, results),
    reading(results),
    `the picture is ${image}`,
    ...(quiet ? [] : [goingOn(runs[runs.length - 1], folder, aQuestion(runs[runs.length - 1]))]),
  ];
  progress.result("results", { folder, results }, told.filter((text) => text !== null).join("\n"));
}

/** What is trained and evaluated on is there. */
async function requireData({ data, heldOut, runs: [{ settings, evaluation }] }: Experiment) {
  const { files } = await openData(data, settings);
  const held = await openData(heldOut, evaluation);
  for (const file of [...files, ...held.files]) {
    if (file !== "-") await requireFile(file, "questions");
  }
}

/** The command that was given. */
function again({ file, outputDir, reference, kernels, ray }: CompareSettings): string {
  const flags = {
    "output-dir": outputDir,
    reference,
    ray: ray === "none" ? null : ray,
    kernels: kernels === "auto" ? null : kernels,
  };
  const given = Object.entries(flags).flatMap(([name, value]) =>
    value === null ? [] : [[name, value] as const],
  );
  return `${command`compare ${file}`} ${flagLine(given)}`.trimEnd();
}

/** The first one that the run's last model was asked. */
const aQuestion = (run: PlannedRun): string =>
  readEvaluation(evaluationOf(run, run.checkpoints[run.checkpoints.length - 1])).questions[0]
    .question;

/** A run of an experiment that asks for a cluster itself would have one in the lane of another. */
function requireOneCluster(runs: readonly PlannedRun[], file: string): void {
  const own = runs.find(({ settings }) => settings.ray);
  if (!own) return;
  throw new UserError(
    `--ray has each run on one worker, and ${file} says ray: ${own.settings.ray} of them; leave one of the two out`,
  );
}

const nameOf = (file: string) => file.replace(/^.*[\\/]/, "").replace(/\.[^.]*$/, "");

function writeComparison(folder: string, { name, data, heldOut, runs }: Experiment): void {
  const comparison: Comparison = {
    name,
    data,
    heldOut,
    runs: runs.map(({ name, method, seed, base, checkpoints }) => {
      return { name, method, seed, base, checkpoints };
    }),
  };
  replaceFile(join(folder, "compare.json"), `${JSON.stringify(comparison, null, 2)}\n`);
}

/** Makes the run, or goes on with it. */
async function runOn(
  run: PlannedRun,
  shown: CompareSettings,
  signal?: AbortSignal,
  lane?: Bridging,
): Promise<void> {
  const { quiet, json, gpu, noTune, speculativeRollouts } = shown;
  const now = { quiet, json, gpu, noTune, speculativeRollouts };
  // a run that goes on keeps its own
  const kernels = isBegun(run) ? {} : { kernels: shown.kernels };
  const folder = folderOf(run);
  // a run that was killed before it had a configuration has nothing else either
  if (!isBegun(run)) rmSync(folder, { recursive: true, force: true });
  if (run.base) {
    const settings = isBegun(run)
      ? sampleBaseSettings(resumption(run), storedBy(run))
      : run.settings;
    return sampleBase({ ...settings, ...now, ...kernels }, signal, lane);
  }
  const settings = isBegun(run) ? await storedOf(run) : run.settings;
  const { saveSteps, saveTotalLimit } = run.settings;
  await train({ ...settings, saveSteps, saveTotalLimit, ...now, ...kernels }, signal, lane);
}

/** Reads the settings that the run has stored; files and folders are where the experiment has them now. */
const storedBy = (run: PlannedRun) => (folder: string) => {
  const { settings } = RunFolder.open(folder).readConfig<Record<string, string>>();
  const wanted = { ...run.settings, model: modelPath(run.settings.model) };
  const now = Object.entries(storedSettings(wanted)).filter(([key, value]) => {
    const mayBeOwn = key === "outcome" || SUMS.some((sum) => sum === key);
    return key === "data" || key === "model" || (mayBeOwn && isOwnFile(String(value ?? "")));
  });
  return { ...settings, ...Object.fromEntries(now) } as Record<string, string>;
};

/** The settings with which a run goes on. */
async function storedOf(run: PlannedRun) {
  const readStored = storedBy(run);
  const own = await loadMethods(readStored(folderOf(run)));
  return trainSettings(resumption(run), readStored, undefined, own);
}

const resumption = (run: PlannedRun) => [
  "--resume",
  folderOf(run),
  "--max-steps",
  String(run.settings.maxSteps),
];

async function evaluateAt(
  run: PlannedRun,
  step: number,
  shown: CompareSettings,
  lane?: Bridging,
): Promise<void> {
  const { quiet, json, gpu, kernels, noTune, speculativeRollouts } = shown;
  const model = run.base ? run.settings.model : checkpointPath(folderOf(run), step);
  const progress = new Progress({ total: 0, quiet, json });
  const output = evaluationOf(run, step);
  const now = { model, output, quiet, json, gpu, kernels, noTune, speculativeRollouts };
  await evaluateModel({ ...run.evaluation, ...now }, progress, { at: step, lane });
  progress.end();
}

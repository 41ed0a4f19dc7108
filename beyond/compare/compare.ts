import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import type { Bridging } from "../cluster/bridge.ts";
import { evaluateModel } from "../commands/evaluate.ts";
import { sampleBase } from "../commands/sample-base.ts";
import { train } from "../commands/train.ts";
import { requireFile } from "../datasets/formats/source.ts";
import { evaluationPath, readEvaluation } from "../measuring/evaluation.ts";
import { openData } from "../opening/questions.ts";
import { loadMethods } from "../own/methods.ts";
import { replaceFile } from "../platform/files.ts";
import { checkpointPath, checkpointSteps } from "../runs/checkpoint.ts";
import { modelPath, RunFolder } from "../runs/folder.ts";
import { LedgerReader } from "../runs/ledger.ts";
import { sampleBaseSettings, trainSettings } from "../settings/arguments.ts";
import { checkCache } from "../settings/checks.ts";
import { FOR_EVALUATION, type Sampling } from "../settings/evaluating.ts";
import { optionName } from "../settings/flags.ts";
import type { CompareSettings } from "../settings/measuring.ts";
import { CHANGEABLE, storedSettings } from "../settings/stored.ts";
import { command, flagLine } from "../terminal/program.ts";
import { Progress } from "../terminal/progress.ts";
import { type Experiment, type PlannedRun, readExperiment } from "./experiment.ts";
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
  for (const run of runs) {
    requireSame(run);
    const { kernels } = given;
    for (const settings of [run.settings, run.evaluation]) checkCache({ ...settings, kernels });
  }
  referenceOf(runs, given.reference);
  if (ray) requireOneCluster(runs, file);
  await requireData(experiment);
  writeComparison(folder, experiment);
  const progress = new Progress({ total: runs.length, quiet, json });
  const carryOut: CarryOut = async (run, signal, lane) => {
    const shown = { ...given, quiet: quiet || lane !== undefined };
    if (!isDone(run)) {
      progress.note(`run ${runs.indexOf(run) + 1} of ${runs.length}: ${run.name}`);
      await runOn(run, shown, signal, lane);
    }
    for (const step of run.checkpoints) {
      if (signal?.aborted) return;
      if (!isEvaluated(run, step)) await evaluateAt(run, step, shown, lane);
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

const folderOf = ({ settings }: PlannedRun): string => settings.outputDir as string;

const isBegun = (run: PlannedRun) => existsSync(join(folderOf(run), "config.json"));

/** Refuses a folder whose run was made with other settings than the experiment asks for. */
function requireSame(run: PlannedRun): void {
  if (!isBegun(run)) return;
  const folder = folderOf(run);
  const { settings } = RunFolder.open(folder).readConfig<Record<string, unknown>>();
  const wanted = { ...run.settings, model: modelPath(run.settings.model) };
  for (const [key, value] of Object.entries(storedSettings(wanted))) {
    const stored = settings[key];
    // what depends on model and data was settled when the run began; older versions knew fewer settings
    const wasSettled = value === null || value === "auto" || stored === undefined;
    if (key === "outputDir" || CHANGEABLE.has(key) || wasSettled) continue;
    if (JSON.stringify(stored) === JSON.stringify(value)) continue;
    throw new UserError(
      `${folder} was made with --${optionName(key)} ${stored}, the experiment says ${value}; delete it, or choose another --output-dir`,
    );
  }
}

function isDone(run: PlannedRun): boolean {
  if (!isBegun(run)) return false;
  const { maxSteps } = run.settings;
  const folder = folderOf(run);
  if (!run.base) return checkpointSteps(folder).includes(maxSteps);
  const { ledgerPath } = RunFolder.open(folder);
  if (!existsSync(ledgerPath)) return false;
  const ledger = new LedgerReader(ledgerPath);
  const last = ledger.lastStep();
  ledger.close();
  return last >= maxSteps;
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
    const settings = isBegun(run) ? sampleBaseSettings(resumption(run), readStored) : run.settings;
    return sampleBase({ ...settings, ...now, ...kernels }, signal, lane);
  }
  const settings = isBegun(run) ? await storedOf(run) : run.settings;
  const { saveSteps, saveTotalLimit } = run.settings;
  await train({ ...settings, saveSteps, saveTotalLimit, ...now, ...kernels }, signal, lane);
}

const readStored = (folder: string) =>
  RunFolder.open(folder).readConfig<Record<string, string>>().settings;

/** The settings with which a run goes on. */
async function storedOf(run: PlannedRun) {
  const own = await loadMethods(readStored(folderOf(run)));
  return trainSettings(resumption(run), readStored, undefined, own);
}

const resumption = (run: PlannedRun) => [
  "--resume",
  folderOf(run),
  "--max-steps",
  String(run.settings.maxSteps),
];

const evaluationOf = (run: PlannedRun, step: number) =>
  evaluationPath(folderOf(run), run.evaluation.data, step);

/** Whether the checkpoint has an evaluation like the one asked for; any other is replaced. */
function isEvaluated(run: PlannedRun, step: number): boolean {
  const path = evaluationOf(run, step);
  if (!existsSync(path)) return false;
  const { numSamples, seed, k, ...asked } = run.evaluation;
  const found = readEvaluation(path);
  // what depends on the model was settled by it
  const isOther = (key: keyof Sampling) =>
    asked[key] !== null && asked[key] !== (found.sampling?.[key] ?? asked[key]);
  return (
    found.samples === numSamples &&
    found.seed === seed &&
    !Object.keys(FOR_EVALUATION).some((key) => isOther(key as keyof Sampling)) &&
    k.every((k) => `pass@${k}` in found.figures)
  );
}

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

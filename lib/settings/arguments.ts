import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { isUserCode } from "../data/outcome/user.ts";
import { TASKS } from "../data/tasks.ts";
import { UserError } from "../errors.ts";
import { parseExploration } from "../explore/bonus.ts";
import type { BaseDtype } from "../model/base-formats.ts";
import { parseReward } from "../rewards.ts";
import { type FlagGroups, type Flags, optionName, parseFlags } from "./flags.ts";
import * as settings from "./shared.ts";
import { EMBEDDED } from "./shared.ts";

const fail = (message: string): never => {
  throw new UserError(message);
};

/** Fills in the defaults, some of which depend on the model and on LoRA. */
function complete(flags: Flags, given: Record<string, unknown>): Record<string, unknown> {
  const model = given.model ?? flags.model?.default;
  const defaults = Object.entries(flags).map(([key, { default: value, embedded, lora }]) => {
    if (embedded !== undefined && model === EMBEDDED) return [key, embedded];
    return [key, lora !== undefined && given.loraRank ? lora : value];
  });
  return { ...Object.fromEntries(defaults), ...given };
}

/** The data, given as an argument or by --data. */
function oneFile(positionals: string[], command: string, flag: unknown = undefined): string {
  const [file, extra] = typeof flag === "string" ? [flag, ...positionals] : positionals;
  if (!file) fail(`${command} needs a data file: rlexplore ${command} data.jsonl`);
  if (extra !== undefined) fail(`${command} takes one data file; "${extra}" is one too many`);
  return file;
}

/** What may differ when a run is continued: nothing that its past depended on. */
export const CHANGEABLE = new Set(
  (
    "resume maxSteps outcomeTimeout microBatchTokens gradientCheckpointing samplingBatchSize evalFile evalSplit evalSteps evalSamples saveSteps saveTotalLimit " +
    "saveBest logCompletions tensorboard quiet json gpu"
  ).split(" "),
);

/** Reads the stored settings of a run. */
type ReadStored = (run: string) => object;

/** The settings of `train`, or with `--resume` those of the run it names. */
export function trainSettings(args: string[], readStored: ReadStored): settings.TrainSettings {
  const { all, given } = newOrStored("train", settings.trainGroups, args, readStored);
  return checkTrain(all as settings.TrainSettings, given);
}

/** The settings of `sample-base`, likewise. */
export function sampleBaseSettings(
  args: string[],
  readStored: ReadStored,
): settings.SampleBaseSettings {
  const groups = settings.sampleBaseGroups;
  const { all, given } = newOrStored("sample-base", groups, args, readStored);
  const s = all as settings.SampleBaseSettings;
  checkOutcome(s, given);
  checkDisplay(s);
  return s;
}

/**
 * All settings of a run, and those that were given for a new one. With `--resume` they are those of the
 * run, which `readStored` returns; a flag that contradicts them is refused unless it cannot change the past.
 */
function newOrStored(command: string, groups: FlagGroups, args: string[], readStored: ReadStored) {
  const { flags, given, positionals } = parseFlags(groups, args);
  if (typeof given.resume !== "string") {
    return {
      all: { ...complete(flags, given), data: oneFile(positionals, command, given.data) },
      given,
    };
  }
  if (given.outputDir)
    fail("--resume and --output-dir exclude each other: a run stays in its folder");
  const stored = readStored(given.resume) as Record<string, unknown>;
  if (positionals.length > 0) given.data = oneFile(positionals, command, given.data);
  for (const [key, value] of Object.entries(given)) {
    const same = JSON.stringify(absolute(value)) === JSON.stringify(stored[key]);
    if (!same && !CHANGEABLE.has(key)) {
      const name = key === "data" ? "the data" : `--${optionName(key)}`;
      fail(`${name} cannot change when a run is continued (it was ${stored[key]}): leave it out`);
    }
  }
  // the display belongs to this invocation, not to the run
  const now = { quiet: false, json: false, ...given, outputDir: given.resume };
  return { all: { ...complete(flags, stored), ...now }, given: {} };
}

/** Settings as a run stores them: paths absolute, so that it can be continued from another folder. */
export function storedSettings<T extends object>(all: T): T {
  const paths = new Set(["data", "model", "outputDir", "evalFile"]);
  const isPath = (key: string, value: unknown) =>
    paths.has(key) || (key === "outcome" && isUserCode(String(value)));
  const entries = Object.entries(all).map(([key, value]) => {
    return [key, isPath(key, value) ? absolute(value) : value];
  });
  return Object.fromEntries(entries);
}

const absolute = (value: unknown) =>
  typeof value === "string" && value && existsSync(value) ? resolve(value) : value;

/** Refuses combinations that are impossible, or in which a flag that was given would do nothing. */
function checkTrain(s: settings.TrainSettings, given: Record<string, unknown>) {
  const explore = s.explore.split(",").map((term) => term.trim());
  try {
    parseExploration(s.explore, s.exploreCoef, s.b0);
  } catch (error) {
    fail(`--explore: ${(error as Error).message}`);
  }
  if (given.b0 !== undefined && !explore.includes("ucb-con")) {
    fail("--b0 is the baseline of ucb-con: add ucb-con to --explore, or leave --b0 out");
  }
  if (explore[0] === "none" && (given.exploreCoef ?? given.exploreTokens) !== undefined) {
    fail("--explore none has no use for --explore-coef and --explore-tokens: leave them out");
  }
  const parts = parseReward(s.reward, s.outcome).map(({ part }) => part);
  if (given.overlongCache !== undefined && !parts.includes("overlong")) {
    fail("--overlong-cache needs the part overlong, such as --reward correct=1,overlong=1");
  }
  if (given.answerForm !== undefined && !parts.includes("format")) {
    fail("--answer-form needs the part format, such as --reward correct=1,format=0.1");
  }
  if (s.promptsPerStep % s.stepsPerGeneration !== 0) {
    const updates = `--steps-per-generation ${s.stepsPerGeneration}`;
    fail(`${updates} must divide --prompts-per-step ${s.promptsPerStep}`);
  }
  if (s.maxCompletionLength !== null && s.microBatchTokens <= s.maxCompletionLength) {
    const tokens = `--micro-batch-tokens ${s.microBatchTokens}`;
    fail(`${tokens} must exceed --max-completion-length ${s.maxCompletionLength}`);
  }
  checkHeldOut(s, given);
  if (s.quiet && s.logCompletions) fail("--quiet and --log-completions exclude each other");
  checkFields(s);
  checkSchedule(s);
  checkLora(s, given);
  checkOutcome(s, given);
  checkDisplay(s);
  return s;
}

function checkHeldOut(s: settings.TrainSettings, given: Record<string, unknown>) {
  const held = s.evalFile !== null || s.evalSplit !== null;
  if (held && s.evalFraction > 0) {
    fail("--eval-fraction excludes --eval-file and --eval-split: choose one of them");
  }
  if (!held && s.evalFraction === 0) {
    if (s.evalSteps > 0) fail("--eval-steps needs --eval-file or --eval-fraction");
    if (given.evalSamples) fail("--eval-samples needs --eval-file or --eval-fraction");
  }
  if (s.saveBest && s.evalSteps === 0) fail("--save-best needs --eval-file and --eval-steps");
}

function checkFields(s: { questionField: string | null; answerField: string | null }) {
  if (s.questionField === null || s.questionField !== s.answerField) return;
  fail(`--question-field and --answer-field are both ${s.questionField}: give two fields`);
}

function checkLora(
  { loraRank, baseDtype }: { loraRank: number; baseDtype: BaseDtype },
  given: Record<string, unknown>,
) {
  if (loraRank % 4 !== 0) fail(`--lora-rank ${loraRank} must be a multiple of 4`);
  if (loraRank === 0 && (given.loraAlpha ?? given.loraTargets) !== undefined) {
    fail("--lora-alpha and --lora-targets need --lora-rank, such as --lora-rank 16");
  }
  if (loraRank === 0 && baseDtype !== "auto" && baseDtype !== "f32") {
    fail(
      `--base-dtype ${baseDtype} is for a model that is not trained: add --lora-rank, such as --lora-rank 16, or leave it out`,
    );
  }
}

function checkSchedule(s: { warmupSteps: number; maxSteps: number | null }) {
  if (s.maxSteps !== null && s.warmupSteps > s.maxSteps) {
    fail(`--warmup-steps ${s.warmupSteps} must not exceed --max-steps ${s.maxSteps}`);
  }
}

function checkOutcome(s: { outcome: string }, given: Record<string, unknown>) {
  if (given.outcomeTimeout !== undefined && !isUserCode(s.outcome)) {
    fail("--outcome-timeout is for code of your own: --outcome ./my-outcome.ts");
  }
}

function checkDisplay(s: { quiet: boolean; json: boolean }) {
  if (s.quiet && s.json) fail("--quiet and --json exclude each other");
}

/** The settings of `plan`: those of `train`, and data only if there is some. */
export function planSettings(args: string[]): settings.PlanSettings {
  const { flags, given, positionals, texts } = parseFlags(settings.planGroups, args);
  if (given.resume) fail("plan takes no --resume: give it the flags of the run instead");
  const data = given.data || positionals.length > 0 ? oneFile(positionals, "plan", given.data) : "";
  if (data && given.maxPromptLength) {
    fail("--max-prompt-length is for a plan without data, which has prompts of its own");
  }
  const own = ["data", "quiet", "json", ...Object.keys(settings.planGroups.Plan)];
  const line = new Map([...texts].filter(([key]) => !own.includes(key)));
  const defaults = complete(flags, given) as settings.PlanSettings;
  const all = { ...defaults, data, line };
  checkTrain(all, given);
  return all;
}

export function sftSettings(args: string[]): settings.SftSettings {
  const { flags, given, positionals } = parseFlags(settings.sftGroups, args);
  const s = {
    ...complete(flags, given),
    data: oneFile(positionals, "sft"),
  } as settings.SftSettings;
  if (given.numTrainEpochs && given.maxSteps) {
    fail("--num-train-epochs and --max-steps exclude each other");
  }
  checkLora(s, given);
  if (s.fromScratch && s.loraRank > 0) {
    fail("--from-scratch and --lora-rank exclude each other: there is no base to adapt");
  }
  checkSchedule(s);
  checkDisplay(s);
  return s;
}

export function sampleSettings(args: string[]): settings.SampleSettings {
  const { flags, given, positionals } = parseFlags(settings.sampleGroups, args);
  if (positionals.length === 0) fail('sample needs a question: rlexplore sample "23+7-4+9="');
  if (positionals.some((question) => question.trim() === "")) fail("a question must not be empty");
  const s = { ...complete(flags, given), questions: positionals } as settings.SampleSettings;
  checkOutcome(s, given);
  return s;
}

export function evalSettings(args: string[]): settings.EvalSettings {
  const { flags, given, positionals } = parseFlags(settings.evalGroups, args);
  const s = {
    ...complete(flags, given),
    data: oneFile(positionals, "eval", given.data),
  } as settings.EvalSettings;
  checkFields(s);
  s.k = [...new Set(s.k)].sort((a, b) => a - b);
  const tooLarge = s.k.find((k) => k > s.numSamples);
  if (tooLarge && given.k) {
    fail(`--k ${tooLarge} needs --num-samples ${tooLarge} or more, not ${s.numSamples}`);
  }
  s.k = s.k.filter((k) => k <= s.numSamples);
  checkOutcome(s, given);
  if (s.compare && s.output) {
    fail("--compare and --output exclude each other: two models are two files; leave --output out");
  }
  checkDisplay(s);
  return s;
}

export function compareSettings(args: string[]): settings.CompareSettings {
  const { flags, given, positionals } = parseFlags(settings.compareGroups, args);
  const [file, extra] = positionals;
  if (!file) fail("compare needs an experiment: rlexplore compare experiments/paper.yaml");
  if (extra !== undefined) fail(`compare takes one experiment; "${extra}" is one too many`);
  const s = { ...complete(flags, given), file } as settings.CompareSettings;
  checkDisplay(s);
  return s;
}

export function dataSettings(args: string[]): settings.DataSettings {
  const { flags, given, positionals } = parseFlags(settings.dataGroups, args);
  const [file, , extra] = positionals;
  if (!file) fail("data needs a file: rlexplore data data.jsonl");
  if (extra !== undefined) fail(`data takes one or two files; "${extra}" is one too many`);
  const s = { ...complete(flags, given), files: positionals } as settings.DataSettings;
  if (s.evalSplit !== null && positionals.length > 1) {
    fail("--eval-split and a second file exclude each other");
  }
  checkFields(s);
  return s;
}

export function makeSettings(args: string[]): settings.MakeSettings {
  const { flags, given, positionals } = parseFlags(settings.makeGroups, args);
  const [task, extra] = positionals;
  const known = TASKS.find((name) => name === task);
  if (!known) fail(`data make needs a task: rlexplore data make ${TASKS.join("|")}`);
  if (extra !== undefined) fail(`data make makes one task; "${extra}" is one too many`);
  const s = { ...complete(flags, given), task } as settings.MakeSettings;
  const own = Object.keys(settings.makeGroups.Countdown).find((key) => given[key] !== undefined);
  if (own && known !== "countdown") fail(`--${optionName(own)} is for countdown: leave it out`);
  if (s.minNumber > s.maxNumber) fail("--min-number must not exceed --max-number");
  if (s.minTarget > s.maxTarget) fail("--min-target must not exceed --max-target");
  return s;
}

export function exportSettings(args: string[]): settings.ExportSettings {
  const { flags, given, positionals } = parseFlags(settings.exportGroups, args);
  const [model, extra] = positionals;
  if (!model) fail("export needs a model or a run: rlexplore export runs/data-1 --gguf model.gguf");
  if (extra !== undefined) fail(`export takes one model; "${extra}" is one too many`);
  if (!given.gguf === !given.rollouts) {
    fail("export needs the file to write: --gguf <file>, or --rollouts <file.jsonl|file.parquet>");
  }
  const s = { ...complete(flags, given), model } as settings.ExportSettings;
  if (s.rollouts && given.type) fail("--type is for --gguf: leave it out");
  if (s.rollouts && !/\.(jsonl|parquet)$/.test(s.rollouts)) {
    fail(`--rollouts writes .jsonl or .parquet, not ${s.rollouts}`);
  }
  return s;
}

export function mergeSettings(args: string[]): settings.MergeSettings {
  const { flags, given, positionals } = parseFlags(settings.mergeGroups, args);
  const [model, extra] = positionals;
  if (!model || extra !== undefined || !given.outputDir) {
    fail("merge needs a run and a new folder: rlexplore merge runs/x --output-dir merged");
  }
  return { ...complete(flags, given), model } as settings.MergeSettings;
}

export function reportSettings(args: string[]): settings.ReportSettings {
  const { flags, given, positionals } = parseFlags(settings.reportGroups, args);
  if (given.chart && !given.charts) fail("--chart needs --charts <folder>, where it is written");
  return { ...complete(flags, given), runs: positionals } as settings.ReportSettings;
}

export function watchSettings(args: string[]): settings.WatchSettings {
  const { flags, given, positionals } = parseFlags(settings.watchGroups, args);
  if (positionals.length === 0) fail("watch needs a run: rlexplore watch runs/data-1");
  return { ...complete(flags, given), runs: positionals } as settings.WatchSettings;
}

export function banditSettings(args: string[]): settings.BanditSettings {
  const { flags, given, positionals } = parseFlags(settings.banditGroups, args);
  if (positionals.length > 0) fail(`bandit takes no argument: ${positionals[0]} is one too many`);
  const s = complete(flags, given) as settings.BanditSettings;
  const fewest = Math.min(...s.arms);
  if (fewest < s.outcomes) fail(`--arms ${fewest} must be at least --outcomes ${s.outcomes}`);
  return s;
}

export function gpuSettings(args: string[]): settings.GpuSettings {
  const { flags, given, positionals } = parseFlags(settings.gpuGroups, args);
  if (positionals.length > 0) fail(`gpu takes no argument: did you mean --gpu ${positionals[0]}?`);
  return complete(flags, given) as settings.GpuSettings;
}

/** From the arguments of each command to its settings. */
import { isOwnFile } from "../own/file.ts";
import { KINDS, type Kind } from "../own/starts.ts";
import { TASKS } from "../tasks/tasks.ts";
import { command } from "../terminal/program.ts";
import type { ReadAdapter } from "./adapter.ts";
import {
  checkCache,
  checkCluster,
  checkDisplay,
  checkFields,
  checkLora,
  checkOutcome,
  checkSchedule,
  checkTrain,
  fail,
  oneFile,
} from "./checks.ts";
import { complete } from "./complete.ts";
import { forEvaluation } from "./evaluating.ts";
import {
  type CheckSettings,
  checkGroups,
  type DataSettings,
  dataGroups,
  type ExportSettings,
  exportGroups,
  type MakeSettings,
  type MergeSettings,
  makeGroups,
  mergeGroups,
  type NewSettings,
  newGroups,
} from "./files.ts";
import { optionName } from "./flags.ts";
import { completeFromRun, type ReadRun } from "./from-run.ts";
import {
  type BanditSettings,
  banditGroups,
  type ChatSettings,
  type CompareSettings,
  chatGroups,
  compareGroups,
  type EvalSettings,
  evalGroups,
  type GpuSettings,
  gpuGroups,
  type JudgeSettings,
  judgeGroups,
  type PlaygroundSettings,
  playgroundGroups,
  type ReportSettings,
  reportGroups,
  type SampleSettings,
  sampleGroups,
  type WatchSettings,
  watchGroups,
} from "./measuring.ts";
import { NO_METHODS, type OwnMethods } from "./methods.ts";
import { withOwnFlags } from "./own-flags.ts";
import { parseFlags } from "./parse.ts";
import { newOrStored, type ReadStored } from "./stored.ts";
import {
  type PlanSettings,
  planGroups,
  type SampleBaseSettings,
  type SftSettings,
  sampleBaseGroups,
  sftGroups,
  type TrainSettings,
  trainGroups,
} from "./training.ts";

/** The settings of `train`, or with `--resume` those of the run it names. */
export function trainSettings(
  args: string[],
  readStored: ReadStored,
  readAdapter?: ReadAdapter,
  own: OwnMethods = NO_METHODS,
): TrainSettings {
  const groups = withOwnFlags(trainGroups, own);
  const { all, given } = newOrStored("train", groups, args, readStored, readAdapter);
  return checkTrain(all as TrainSettings, given, own);
}

/** The settings of `sample-base`, likewise. */
export function sampleBaseSettings(args: string[], readStored: ReadStored): SampleBaseSettings {
  const groups = sampleBaseGroups;
  const { all, given } = newOrStored("sample-base", groups, args, readStored);
  const s = all as SampleBaseSettings;
  checkCache(s);
  checkOutcome(s, given);
  checkCluster(s);
  checkDisplay(s);
  return s;
}

/** The settings of `plan`: those of `train`, and data only if there is some. */
export function planSettings(args: string[], own: OwnMethods = NO_METHODS): PlanSettings {
  const groups = withOwnFlags(planGroups, own);
  const { flags, given, positionals, texts } = parseFlags(groups, args);
  if (given.resume) fail("plan takes no --resume: give it the flags of the run instead");
  const data = given.data || positionals.length > 0 ? oneFile(positionals, "plan", given.data) : "";
  if (data && given.maxPromptLength) {
    fail("--max-prompt-length is for a plan without data, which has prompts of its own");
  }
  const ours = ["data", "quiet", "json", ...Object.keys(planGroups.Plan)];
  const line = new Map([...texts].filter(([key]) => !ours.includes(key)));
  const defaults = complete(flags, given) as PlanSettings;
  const all = { ...defaults, data, line };
  checkTrain(all, given, own);
  return all;
}

/** The settings of `sft`, likewise. */
export function sftSettings(
  args: string[],
  readStored: ReadStored = () => ({}),
  readAdapter?: ReadAdapter,
): SftSettings {
  const { all, given } = newOrStored("sft", sftGroups, args, readStored, readAdapter);
  const s = all as SftSettings;
  if (given.numTrainEpochs && given.maxSteps) {
    fail("--num-train-epochs and --max-steps exclude each other");
  }
  checkLora(s, given);
  if (s.fromScratch && s.loraRank > 0) {
    fail("--from-scratch and --lora-rank exclude each other: there is no base to adapt");
  }
  if (s.evalSteps > 0 && s.evalFile === null) fail("--eval-steps needs --eval-file");
  checkSchedule(s);
  checkDisplay(s);
  return s;
}

/** The settings of `sample`; what is not given is as in the run that the model is of. */
export function sampleSettings(args: string[], readRun: ReadRun = () => null): SampleSettings {
  const { flags, given, positionals } = parseFlags(sampleGroups, args);
  if (positionals.length === 0) fail(`sample needs a question: ${command`sample "23+7-4+9="`}`);
  if (positionals.some((question) => question.trim() === "")) fail("a question must not be empty");
  const { all, told } = completeFromRun(flags, given, readRun);
  const s = { ...all, told, questions: positionals } as SampleSettings;
  checkOutcome(s, given);
  return s;
}

/** The settings of `chat`, likewise. */
export function chatSettings(args: string[], readRun: ReadRun = () => null): ChatSettings {
  const { flags, given, positionals } = parseFlags(chatGroups, args);
  const [model, extra] = given.model ? [given.model, ...positionals] : positionals;
  if (!model) fail(`chat needs a model: ${command`chat runs/data-1`}`);
  if (extra !== undefined) fail(`chat takes one model; "${extra}" is one too many`);
  const { all, told } = completeFromRun(flags, { ...given, model }, readRun);
  return { ...all, told } as ChatSettings;
}

/** The settings of `eval`, likewise: as the run evaluates. */
export function evalSettings(args: string[], readRun: ReadRun = () => null): EvalSettings {
  const { flags, given, positionals } = parseFlags(evalGroups, args);
  const { all, told } = completeFromRun(flags, given, readRun, forEvaluation);
  const s = { ...all, told, data: oneFile(positionals, "eval", given.data) } as EvalSettings;
  checkFields(s);
  s.k = [...new Set(s.k)].sort((a, b) => a - b);
  const tooLarge = s.k.find((k) => k > s.numSamples);
  if (tooLarge && given.k) {
    fail(`--k ${tooLarge} needs --num-samples ${tooLarge} or more, not ${s.numSamples}`);
  }
  s.k = s.k.filter((k) => k <= s.numSamples);
  checkCache(s);
  checkOutcome(s, given);
  if (s.compare && s.output) {
    fail("--compare and --output exclude each other: two models are two files; leave --output out");
  }
  checkCluster(s);
  checkDisplay(s);
  return s;
}

export function compareSettings(args: string[]): CompareSettings {
  const { flags, given, positionals } = parseFlags(compareGroups, args);
  const [file, extra] = positionals;
  if (!file) fail(`compare needs an experiment: ${command`compare experiments/paper.yaml`}`);
  if (extra !== undefined) fail(`compare takes one experiment; "${extra}" is one too many`);
  const s = { ...complete(flags, given), file } as CompareSettings;
  checkCluster(s);
  checkDisplay(s);
  if (s.ray && s.json) {
    fail(
      "--json and --ray exclude each other in compare: lines of several runs would mix; results.json has what came out",
    );
  }
  return s;
}

export function dataSettings(args: string[]): DataSettings {
  const { flags, given, positionals } = parseFlags(dataGroups, args);
  const [file, , extra] = positionals;
  if (!file) fail(`data needs a file: ${command`data data.jsonl`}`);
  if (extra !== undefined) fail(`data takes one or two files; "${extra}" is one too many`);
  const s = { ...complete(flags, given), files: positionals } as DataSettings;
  if (s.evalSplit !== null && positionals.length > 1) {
    fail("--eval-split and a second file exclude each other");
  }
  checkFields(s);
  return s;
}

export function makeSettings(args: string[]): MakeSettings {
  const { flags, given, positionals } = parseFlags(makeGroups, args);
  const [task, extra] = positionals;
  const known = TASKS.find((name) => name === task);
  if (!known) fail(`data make needs a task: ${command`data make`} ${TASKS.join("|")}`);
  if (extra !== undefined) fail(`data make makes one task; "${extra}" is one too many`);
  const s = { ...complete(flags, given), task } as MakeSettings;
  const own = Object.keys(makeGroups.Countdown).find((key) => given[key] !== undefined);
  if (own && known !== "countdown") fail(`--${optionName(own)} is for countdown: leave it out`);
  if (s.minNumber > s.maxNumber) fail("--min-number must not exceed --max-number");
  if (s.minTarget > s.maxTarget) fail("--min-target must not exceed --max-target");
  return s;
}

export function exportSettings(args: string[]): ExportSettings {
  const { flags, given, positionals } = parseFlags(exportGroups, args);
  const [model, extra] = positionals;
  if (!model)
    fail(`export needs a model or a run: ${command`export runs/data-1 --gguf model.gguf`}`);
  if (extra !== undefined) fail(`export takes one model; "${extra}" is one too many`);
  if (!given.gguf && !given.rollouts && !given.push) {
    fail(
      "export needs what to write: --gguf <file>, --rollouts <file.jsonl|file.parquet>, or --push <org/name>",
    );
  }
  if (given.gguf && given.rollouts) fail("--gguf and --rollouts exclude each other");
  const s = { ...complete(flags, given), model } as ExportSettings;
  for (const key of ["type", "ollama"]) {
    if (!s.gguf && given[key]) fail(`--${key} is for --gguf: leave it out`);
  }
  if (s.rollouts && s.push) fail("--push uploads models, and no rollouts: leave it out");
  if (s.public && !s.push) fail("--public is for --push: leave it out");
  if (s.rollouts && !/\.(jsonl|parquet)$/.test(s.rollouts)) {
    fail(`--rollouts writes .jsonl or .parquet, not ${s.rollouts}`);
  }
  return s;
}

export function newSettings(args: string[]): NewSettings {
  const { positionals } = parseFlags(newGroups, args);
  const [kind, file, extra] = positionals;
  const known = KINDS.find((name) => name === kind);
  if (!known || !file || extra !== undefined || !isOwnFile(file)) {
    fail(
      `new needs a kind and a file: ${command`new`} ${KINDS.join("|")} ./my-${known ?? "bonus"}.ts`,
    );
  }
  if (!/\.m?ts$/.test(file)) fail(`new writes TypeScript: ${file} must end in .ts`);
  return { kind: known as Kind, file };
}

export function checkSettings(args: string[]): CheckSettings {
  const { positionals } = parseFlags(checkGroups, args);
  const [file, extra] = positionals;
  if (!file || extra !== undefined) {
    fail("check needs a file of your own code: rlexplore check ./my-bonus.ts");
  }
  return { file };
}

export function mergeSettings(args: string[]): MergeSettings {
  const { flags, given, positionals } = parseFlags(mergeGroups, args);
  const [model, extra] = positionals;
  if (!model || extra !== undefined || !given.outputDir) {
    fail(`merge needs a run and a new folder: ${command`merge runs/x --output-dir merged`}`);
  }
  return { ...complete(flags, given), model } as MergeSettings;
}

export function reportSettings(args: string[]): ReportSettings {
  const { flags, given, positionals } = parseFlags(reportGroups, args);
  if (given.chart && !given.charts) fail("--chart needs --charts <folder>, where it is written");
  return { ...complete(flags, given), runs: positionals } as ReportSettings;
}

export function watchSettings(args: string[]): WatchSettings {
  const { flags, given, positionals } = parseFlags(watchGroups, args);
  if (positionals.length === 0) fail(`watch needs a run: ${command`watch runs/data-1`}`);
  return { ...complete(flags, given), runs: positionals } as WatchSettings;
}

export function playgroundSettings(args: string[]): PlaygroundSettings {
  const { flags, given, positionals } = parseFlags(playgroundGroups, args);
  if (positionals.length > 0) {
    fail(`playground takes no argument: ${positionals[0]} is one too many`);
  }
  return complete(flags, given) as PlaygroundSettings;
}

export function judgeSettings(args: string[]): JudgeSettings {
  const { flags, given, positionals } = parseFlags(judgeGroups, args);
  const [file, extra] = positionals;
  if (extra !== undefined) fail(`judge takes one file; "${extra}" is one too many`);
  const s = { ...complete(flags, given), file: file ?? "" } as JudgeSettings;
  if (s.serve && file !== undefined)
    fail("--serve judges what is posted to it: leave the file out");
  if (!s.serve && file === undefined) {
    fail(
      `judge needs a file of questions, answers and completions, or --serve: ${command`judge --serve`}`,
    );
  }
  if (!s.serve && given.port !== undefined) fail("--port is for --serve");
  return s;
}

export function banditSettings(args: string[]): BanditSettings {
  const { flags, given, positionals } = parseFlags(banditGroups, args);
  if (positionals.length > 0) fail(`bandit takes no argument: ${positionals[0]} is one too many`);
  const s = complete(flags, given) as BanditSettings;
  const fewest = Math.min(...s.arms);
  if (fewest < s.outcomes) fail(`--arms ${fewest} must be at least --outcomes ${s.outcomes}`);
  return s;
}

export function gpuSettings(args: string[]): GpuSettings {
  const { flags, given, positionals } = parseFlags(gpuGroups, args);
  if (positionals.length > 0) fail(`gpu takes no argument: did you mean --gpu ${positionals[0]}?`);
  const own = ["model", "dtype"].find((key) => given[key] !== undefined);
  if (own && !given.tune) fail(`--${own} is for --tune: ${command`gpu --tune`} --${own} ...`);
  return complete(flags, given) as GpuSettings;
}

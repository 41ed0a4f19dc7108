/** What is refused although each flag alone is right. */

import { UserError } from "../../lib/errors.ts";
import { isOwnFile } from "../own/file.ts";
import type { BaseDtype } from "../storage/base-formats.ts";
import { command } from "../terminal/program.ts";
import { parseAdvantage, parseExploration } from "./exploration.ts";
import { optionName } from "./flags.ts";
import {
  explorationNames,
  methodsWithParameter,
  NO_METHODS,
  type OwnMethods,
  termsOf,
} from "./methods.ts";
import { parseReward } from "./reward.ts";
import type { TrainSettings } from "./training.ts";

export const fail = (message: string): never => {
  throw new UserError(message);
};

/** The data, given as an argument or by --data. */
export function oneFile(positionals: string[], name: string, flag: unknown = undefined): string {
  const [file, extra] = typeof flag === "string" ? [flag, ...positionals] : positionals;
  if (!file) fail(`${name} needs a data file: ${command`${name} data.jsonl`}`);
  if (extra !== undefined) fail(`${name} takes one data file; "${extra}" is one too many`);
  return file;
}

/** Refuses combinations that are impossible, or in which a flag that was given would do nothing. */
export function checkTrain(
  s: TrainSettings,
  given: Record<string, unknown>,
  own: OwnMethods = NO_METHODS,
) {
  const explore = termsOf(s.explore);
  try {
    parseExploration(s.explore, s.exploreCoef, { ...s }, own);
  } catch (error) {
    fail(`--explore: ${(error as Error).message}`);
  }
  try {
    parseAdvantage(s.advantage, { ...s }, own);
  } catch (error) {
    fail(`--advantage: ${(error as Error).message}`);
  }
  for (const flag of Object.keys(given)) {
    const methods = methodsWithParameter(flag).map((method) => method.name);
    const isUsed = methods.some((name) => explore.includes(name) || s.advantage === name);
    if (given[flag] === undefined || methods.length === 0 || isUsed) continue;
    const name = `--${optionName(flag)}`;
    const method = methods.join(" and ");
    const where = explorationNames.includes(methods[0]) ? "--explore" : "--advantage";
    fail(
      `${name} is a parameter of ${method}: add ${methods[0]} to ${where}, or leave ${name} out`,
    );
  }
  if (["pass-at-k", "max-at-k"].includes(s.advantage) && s.atK >= s.numGenerations) {
    const k = `--at-k ${s.atK}`;
    fail(
      `${k} must be below --num-generations ${s.numGenerations}: a subset of all tells none apart`,
    );
  }
  if (explore[0] === "none" && (given.exploreCoef ?? given.exploreTokens) !== undefined) {
    fail("--explore none has no use for --explore-coef and --explore-tokens: leave them out");
  }
  if ((given.numEpochs ?? null) !== null && given.maxSteps !== undefined) {
    fail("--num-epochs and --max-steps exclude each other: both say how long the run is");
  }
  const { terms, files } = parseReward(s.reward, s.outcome);
  const parts = terms.map(({ part }) => part);
  if (given.overlongCache !== undefined && !parts.includes("overlong")) {
    fail("--overlong-cache needs the part overlong, such as --reward correct=1,overlong=1");
  }
  if (given.answerForm !== undefined && !parts.includes("format")) {
    fail("--answer-form needs the part format, such as --reward correct=1,format=0.1");
  }
  if (s.klBiasCorrection && s.beta === 0) {
    fail("--kl-bias-correction needs a KL penalty, such as --beta 0.04");
  }
  if (s.promptsPerStep % s.stepsPerGeneration !== 0) {
    const updates = `--steps-per-generation ${s.stepsPerGeneration}`;
    fail(`${updates} must divide --prompts-per-step ${s.promptsPerStep}`);
  }
  if (s.maxCompletionLength !== null && s.microBatchTokens <= s.maxCompletionLength) {
    const [most, length] = [s.microBatchTokens, s.maxCompletionLength];
    fail(
      `--max-completion-length ${length} must be below --micro-batch-tokens ${most}: lower it to what the model's context has room for, or raise that`,
    );
  }
  checkHeldOut(s, given);
  if (s.quiet && s.logCompletions) fail("--quiet and --log-completions exclude each other");
  checkFields(s);
  checkSchedule(s);
  checkLora(s, given);
  checkCache(s);
  checkOutcome(s, given, files);
  checkDisplay(s);
  return s;
}

function checkHeldOut(s: TrainSettings, given: Record<string, unknown>) {
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

export function checkFields(s: { questionField: string | null; answerField: string | null }) {
  if (s.questionField === null || s.questionField !== s.answerField) return;
  fail(`--question-field and --answer-field are both ${s.questionField}: give two fields`);
}

export function checkLora(
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

export function checkCache(s: { kvCacheTokens: number | null; kernels: "auto" | "plain" }) {
  if (s.kernels === "auto" || s.kvCacheTokens === null) return;
  fail(
    "--kernels plain has no use for --kv-cache-tokens: leave one of them out, or lower --sampling-batch-size",
  );
}

export function checkSchedule(s: { warmupSteps: number; maxSteps: number | null }) {
  if (s.maxSteps !== null && s.warmupSteps > s.maxSteps) {
    fail(`--warmup-steps ${s.warmupSteps} must not exceed --max-steps ${s.maxSteps}`);
  }
}

export function checkOutcome(
  s: { outcome: string },
  given: Record<string, unknown>,
  files: readonly object[] = [],
) {
  if (given.outcomeTimeout !== undefined && !isOwnFile(s.outcome) && files.length === 0) {
    fail(
      "--outcome-timeout is for code of your own: --outcome ./my-outcome.ts or --reward ./my-rewards.ts",
    );
  }
}

export function checkDisplay(s: { quiet: boolean; json: boolean }) {
  if (s.quiet && s.json) fail("--quiet and --json exclude each other");
}

export function checkCluster(s: Partial<Record<"ray" | "workers" | "gpusPerNode", unknown>>) {
  if (s.workers && !s.ray) fail("--workers needs --ray: they are those of a cluster");
  if (s.gpusPerNode && !s.ray) fail("--gpus-per-node needs --ray: it is said of a cluster");
}

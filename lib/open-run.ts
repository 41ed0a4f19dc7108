import { storedSettings } from "./arguments.ts";
import { latestCheckpoint } from "./checkpoint.ts";
import { type Outcome, openOutcome } from "./data/outcome.ts";
import { type Row, readRows, usableRows } from "./data/rows.ts";
import { UserError } from "./errors.ts";
import type { Evaluation } from "./evaluation.ts";
import { type Exploration, parseExploration, usesHistory } from "./explore/bonus.ts";
import { Ledger } from "./ledger.ts";
import { formatPlan, trainingNeeds } from "./memory-plan.ts";
import type { ModelFolder } from "./model/folder.ts";
import { openNamedModel, prompterOf, requireWhole } from "./named-model.ts";
import { openGpu, Policy } from "./policy.ts";
import { Progress } from "./progress.ts";
import { parseReward, type RewardRules, rewardRules } from "./rewards.ts";
import {
  fitContext,
  longestPrompt,
  prepareQuestions,
  type Question,
  type RolloutSettings,
} from "./rollout.ts";
import { modelPath, RunFolder } from "./run.ts";
import type { TrainSettings } from "./settings.ts";
import { runConfig } from "./versions.ts";

/** What a resumed run needs beside weights, moments and ledger. */
export interface TrainerState {
  /** Questions drawn so far. */
  drawn: number;
  /** Updates of the weights so far. */
  updates: number;
  /** The evaluation of the model the run started from. */
  before: Evaluation | null;
  /** The best pass@1 on the held-out questions, and the step of its checkpoint. */
  best: { step: number; passAt1: number } | null;
}

/** Everything a training run works with. */
export interface OpenRun {
  settings: TrainSettings & RolloutSettings;
  exploration: Exploration;
  rewards: RewardRules;
  folder: RunFolder;
  ledger: Ledger;
  model: ModelFolder;
  policy: Policy;
  outcome: Outcome;
  questions: Question[];
  heldOut: Question[];
  state: TrainerState;
  progress: Progress;
  /** Steps done before. */
  step: number;
}

/**
 * Reads the data, opens model and GPU, and takes up a run where its last checkpoint left it. What is
 * wrong with data or settings is found before anything is written or allocated.
 */
export async function openRun(given: TrainSettings): Promise<OpenRun> {
  const notes: string[] = [];
  const note = (text: string) => notes.push(text);
  const rows = await readRowsOf(given, note);
  const exploration = parseExploration(given.explore, given.exploreCoef, given.b0);
  const terms = parseReward(given.reward, given.outcome);
  const base = await openNamedModel(given.model);
  requireWhole(given.model, base);
  if (!given.resume) RunFolder.requireFree(given.outputDir);
  const { outcome, questions, heldOut, settings } = await readQuestions(given, rows, base, note);
  const rewards = rewardRules(terms, settings.answerForm, settings);

  const progress = new Progress({ total: settings.maxSteps, ...settings });
  const gpu = await openGpu(settings.gpu);
  progress.note(gpu.found.why);
  for (const text of notes) progress.note(text);
  warnOfFewVisits(questions.length, exploration, settings, progress);

  const needs = trainingNeeds(settings, longestPrompt([...questions, ...heldOut]));
  const policy = await Policy.open(gpu, base, needs, (plan) => progress.note(formatPlan(plan)));

  const folder = settings.resume
    ? RunFolder.open(settings.resume)
    : RunFolder.create(settings.outputDir, settings.data);
  const ledger = new Ledger(folder.ledgerPath);
  const checkpoint = settings.resume ? await latestCheckpoint<TrainerState>(folder.path) : null;
  const step = checkpoint?.step ?? 0;
  if (step > settings.maxSteps) {
    throw new UserError(
      `${folder.path} has done ${step} steps already: raise --max-steps ${settings.maxSteps}`,
    );
  }
  if (step > ledger.lastStep()) {
    throw new UserError(
      `${folder.ledgerPath} has lost the rollouts of step ${step}, and with them the counts; restore it from a copy or start another run`,
    );
  }
  ledger.removeAfter(step);
  folder.removeMetricsAfter(step);

  // a run that is the model here may go on, and its newest checkpoint be another one
  const stored = storedSettings({ ...settings, model: modelPath(settings.model) });
  folder.writeConfig(runConfig(stored, gpu));
  if (checkpoint) {
    await policy.load(policy.trained, checkpoint.tensors);
    await policy.loadMoments(checkpoint.optimizer);
    progress.note(`resumed after step ${step}`);
  }
  const state = checkpoint?.state ?? { drawn: 0, updates: 0, before: null, best: null };
  return {
    settings,
    exploration,
    rewards,
    folder,
    ledger,
    model: base,
    policy,
    outcome,
    questions,
    heldOut,
    state,
    progress,
    step,
  };
}

/** Rows of the questions to train on, and of those held out. */
interface RowsOf {
  train: readonly Row[];
  heldOut: readonly Row[];
}

/** Reads the data that the settings name. What is left out is noted. */
export async function readRowsOf(
  given: TrainSettings,
  note: (text: string) => void,
): Promise<RowsOf> {
  const train = usableRows(await readRows(given.data, given), note);
  if (!given.evalFile) return { train, heldOut: [] };
  const heldOut = await readRows(given.evalFile, { ...given, limit: null });
  return { train, heldOut: usableRows(heldOut, note) };
}

/** Makes prompts for the model of the rows, and settles the length of completions by them. */
export async function readQuestions<S extends TrainSettings>(
  given: S,
  rows: RowsOf,
  model: ModelFolder,
  note: (text: string) => void,
) {
  const prompter = prompterOf(model, given, note);
  const outcome = await openOutcome(given.outcome, given.outcomeTimeout);
  const questions = prepareQuestions(prompter, rows.train, given.data, outcome);
  const heldOut = prepareQuestions(prompter, rows.heldOut, given.evalFile ?? "", outcome);
  const context = model.config.maxPositionEmbeddings;
  const settings = fitContext(given, [...questions, ...heldOut], context);
  requireMicroBatch(longestPrompt(questions), settings);
  return { outcome, questions, heldOut, settings };
}

/** A question and one completion of it must fit one micro-batch. */
export function requireMicroBatch(
  promptTokens: number,
  { maxCompletionLength, microBatchTokens }: RolloutSettings & TrainSettings,
): void {
  const needed = promptTokens + maxCompletionLength;
  if (needed > microBatchTokens) {
    throw new UserError(
      `a prompt and its completion may have ${needed} tokens; raise --micro-batch-tokens ${microBatchTokens} to that, or lower --max-completion-length`,
    );
  }
}

/** Counts mean nothing until questions are seen again: the paper's comparisons need ten visits or more. */
function warnOfFewVisits(
  questions: number,
  exploration: Exploration,
  settings: TrainSettings,
  progress: Progress,
): void {
  const visits = (settings.maxSteps * settings.promptsPerStep) / questions;
  if (!usesHistory(exploration) || visits >= 4) return;
  progress.note(
    `warning: each of the ${questions} questions will be visited ${visits.toFixed(1)} times; ` +
      `--explore ${settings.explore} rewards rare answers only from the second visit on and needs 4 or more ` +
      "(raise --max-steps or --prompts-per-step, or use fewer questions)",
  );
}

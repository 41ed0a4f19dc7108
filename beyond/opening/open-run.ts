import { UserError } from "../../lib/errors.ts";
import { type Exploration, usesHistory } from "../../lib/explore/bonus.ts";
import { parseReward, type RewardRules, rewardRules } from "../../lib/rewards.ts";
import { longestPrompt, type Question, type RolloutSettings } from "../../lib/rollout.ts";
import type { Outcome } from "../answers/outcome.ts";
import type { Evaluation } from "../measuring/evaluation.ts";
import { formatPlan, trainingNeeds } from "../memory/memory-plan.ts";
import type { ModelFolder } from "../models/folder.ts";
import { latestCheckpoint } from "../runs/checkpoint.ts";
import { modelPath, RunFolder } from "../runs/folder.ts";
import { Ledger } from "../runs/ledger.ts";
import { runConfig } from "../runs/versions.ts";
import { parseExploration } from "../settings/exploration.ts";
import { storedSettings } from "../settings/stored.ts";
import type { TrainSettings } from "../settings/training.ts";
import { baseFormats } from "../storage/base-formats.ts";
import { Progress } from "../terminal/progress.ts";
import { tuneFor } from "../tuning/tuning.ts";
import { openNamedModel, requireWhole } from "./named-model.ts";
import { openGpu, Policy } from "./policy.ts";
import { readQuestions, readRunData, type TrainingQuestions } from "./questions.ts";

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
  questions: TrainingQuestions;
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
  const data = await readRunData(given, note);
  const exploration = parseExploration(given.explore, given.exploreCoef, { ...given });
  const terms = parseReward(given.reward, given.outcome);
  const base = await openNamedModel(given.model);
  requireWhole(given.model, base);
  if (!given.resume) RunFolder.requireFree(given.outputDir);
  const { outcome, questions, heldOut, settings } = await readQuestions(given, data, base, note);
  const rewards = rewardRules(terms, settings.answerForm, settings);

  const progress = new Progress({ total: settings.maxSteps, ...settings });
  const gpu = await openGpu(settings.gpu);
  progress.note(gpu.found.why);
  for (const text of notes) progress.note(text);
  warnOfFewVisits(questions.different, exploration, settings, progress);

  const formats = baseFormats(settings, base.tensors);
  const longest = longestPrompt([...questions.drawn, ...heldOut]);
  const needs = trainingNeeds(settings, longest, formats);
  const begun = settings.resume ? RunFolder.open(settings.resume) : undefined;
  const show = (text: string) => progress.note(text);
  const tune = tuneFor(gpu, { ...settings, begun: begun?.readConfig() }, show);
  const policy = await Policy.open(gpu, base, needs, (plan) => show(formatPlan(plan)), tune);

  const folder = begun ?? RunFolder.create(settings.outputDir, settings.data);
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
  if (settings.tensorboard) folder.openEvents(step);

  // a run that is the model here may go on, and its newest checkpoint be another one
  const stored = storedSettings({ ...settings, model: modelPath(settings.model) });
  folder.writeConfig(runConfig(stored, policy));
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

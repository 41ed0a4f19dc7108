import { isDeepStrictEqual } from "node:util";
import { sha256 } from "#platform/hash.ts";
import type { Judge } from "../../lib/data/judge.ts";
import type { Question } from "../../lib/data/questions.ts";
import { UserError } from "../../lib/errors.ts";
import type { Advantage } from "../../lib/explore/advantages.ts";
import { type Exploration, usesHistory } from "../../lib/explore/bonus.ts";
import { OutcomeCounter } from "../../lib/explore/counter.ts";
import type { RolloutSettings } from "../../lib/rollout.ts";
import type { GrpoSettings, Training } from "../../lib/train.ts";
import type { Bridging } from "../cluster/bridge.ts";
import { trainingNeeds } from "../memory/memory-plan.ts";
import type { ModelFolder } from "../models/folder.ts";
import { loadMethods } from "../own/methods.ts";
import { latestCheckpoint, sweepCheckpoints } from "../runs/checkpoint.ts";
import { modelPath, RunFolder } from "../runs/folder.ts";
import { Ledger } from "../runs/ledger.ts";
import type { Evaluations } from "../runs/milestones.ts";
import { originsFrom, originsOf, requireSameOrigins } from "../runs/origins.ts";
import { requireSameLedger, TrainerState } from "../runs/trainer-state.ts";
import { runConfig } from "../runs/versions.ts";
import { forEvaluation, samplingOf } from "../settings/evaluating.ts";
import { parseAdvantage, parseExploration } from "../settings/exploration.ts";
import { parseReward, rewardRules } from "../settings/reward.ts";
import { storedSettings } from "../settings/stored.ts";
import type { TrainSettings } from "../settings/training.ts";
import { Progress } from "../terminal/progress.ts";
import { noteAdapter, noteJump, noteOrder, noteOtherGpu, requireAhead } from "./going-on.ts";
import { longestPrompt } from "./lengths.ts";
import { openNamedModel } from "./named-model.ts";
import { openAnywhere } from "./open-anywhere.ts";
import { readQuestions, readRunData, shuffleSeedOf, type TrainingQuestions } from "./questions.ts";
import type { RunPolicy } from "./run-policy.ts";

/** Everything that `train` works with: what the method needs, and what is kept of it. */
export interface OpenRun extends Training {
  settings: TrainSettings & GrpoSettings;
  policy: RunPolicy;
  questions: TrainingQuestions;
  heldOut: Question[];
  /** Which questions these are, and how often each is drawn. */
  heldOutKey: string | null;
  folder: RunFolder;
  ledger: Ledger;
  model: ModelFolder;
  progress: Progress;
  evaluations: Evaluations;
}

/**
 * Reads the data, opens model and GPU, and takes up a run where its last checkpoint left it. What is
 * wrong with data or settings is found before anything is written or allocated.
 * @param lane the part of a cluster that it has to itself, if any
 */
export async function openRun(asked: TrainSettings, lane?: Bridging): Promise<OpenRun> {
  const notes: string[] = [];
  const noteLater = (text: string) => notes.push(text);
  const data = await readRunData(asked, noteLater);
  const given = { ...asked, maxSteps: stepsOf(asked, data.training?.length ?? data.rows.length) };
  const own = await loadMethods(given);
  const exploration = parseExploration(given.explore, given.exploreCoef, { ...given }, own);
  const advantage = parseAdvantage(given.advantage, { ...given }, own);
  const plan = parseReward(given.reward, given.outcome);
  const model = await openNamedModel(given.model);
  if (!given.resume) RunFolder.requireFree(given.outputDir);
  const read = await readQuestions(given, data, model, plan, noteLater);
  const { judge, questions, heldOut } = read;
  const settings = asGrpo(read.settings);
  const rewards = rewardRules(plan.terms, settings.answerForm, settings);

  const progress = new Progress({ total: settings.maxSteps, ...settings });
  const note = (text: string) => progress.note(text);
  for (const text of notes) note(text);
  noteAdapter(settings.model, model, note);
  warnOfFewVisits(questions.different, { advantage, exploration }, settings, note);

  const begun = settings.resume ? RunFolder.open(settings.resume) : undefined;
  const config = begun?.readConfig<TrainSettings>();
  const origins = await originsOf(data.rows, model, settings);
  if (config) requireSameOrigins(config.origins, origins, settings, note);
  const needs = trainingNeeds(settings, longestPrompt([...questions.drawn, ...heldOut]));
  const told = { note, describe: note };
  const opened = { begun: config, learn: settings, lane };
  const policy = await openAnywhere(settings, model, needs, told, opened);

  noteOtherGpu(config, policy, note);
  const folder = begun ?? RunFolder.create(settings.outputDir, settings.data);
  const ledger = new Ledger(folder.ledgerPath);
  progress.follow((activity, left) => folder.tell(activity, left));
  const checkpoint = begun ? await latestCheckpoint(folder.path, TrainerState.parse) : null;
  const step = checkpoint?.step ?? 0;
  requireAhead(folder.path, step, settings.maxSteps);
  if (checkpoint) requireSameLedger(ledger, step, checkpoint.state);
  const again = begun ? doneAgain(folder.path, step, ledger) : null;
  if (again) note(again);
  sweepCheckpoints(folder.path);
  ledger.removeAfter(step);
  folder.removeMetricsAfter(step);
  if (settings.tensorboard) folder.openEvents(step);

  // a run that is the model here may go on, and its newest checkpoint be another one
  const { gradientShards } = settings;
  const kept = { ...read.settings, gradientShards, model: modelPath(settings.model) };
  const stored = storedSettings(kept);
  folder.writeConfig(runConfig(stored, policy, originsFrom(config?.origins, origins, step)));
  if (checkpoint) {
    await policy.restore(checkpoint.tensors, checkpoint.optimizer, checkpoint.state.updates);
    note(`resumed after step ${step}`);
  }
  const saved = checkpoint?.state ?? FRESH;
  const { drawn, updates } = saved;
  const { evalSamples } = settings;
  const heldOutKey = heldOut.length > 0 ? keyOf(heldOut, settings) : null;
  if (checkpoint && config) {
    noteJump(config.settings, settings, updates, note);
    noteOrder(config.settings, settings, note);
  }
  return {
    settings,
    advantage,
    exploration,
    rewards,
    folder,
    ledger,
    model,
    policy,
    learner: policy.learner(settings),
    questions,
    heldOut,
    heldOutKey,
    progress,
    state: { step, drawn, updates, ...whatWasSeen(ledger, judge) },
    evaluations: comparable(saved, heldOutKey, heldOut.length, evalSamples),
  };
}

/** The steps of a run over so many questions; one that goes on has them settled. */
function stepsOf(
  { numEpochs, promptsPerStep, maxSteps, resume }: TrainSettings,
  questions: number,
): number {
  if (numEpochs === null || resume) return maxSteps;
  return Math.ceil((numEpochs * questions) / promptsPerStep);
}

/**
 * What a run that goes on after `step` says of the steps it has done since; null where there are none.
 * @throws UserError if it has saved a checkpoint, and there is none
 */
function doneAgain(run: string, step: number, ledger: Ledger): string | null {
  const [last, saved] = [ledger.lastStep(), ledger.lastSaved()];
  if (step === 0 && saved > 0) {
    throw new UserError(
      `${run} has saved checkpoint-${saved}, and has no checkpoint now: put it back, or start another run`,
    );
  }
  if (last === step) return null;
  const what = saved > step ? `checkpoint-${saved} is gone; ` : "";
  const lost = last - step === 1 ? "the step" : `the ${last - step} steps`;
  return `${what}going on from ${step > 0 ? `checkpoint-${step}` : "the start"}: ${lost} after that are done again`;
}

const FRESH: TrainerState = { drawn: 0, updates: 0, before: null, best: null, heldOut: null };

/** Tells evaluations that may be compared: of the same questions, drawn as often and in the same way. */
function keyOf(questions: readonly Question[], settings: OpenRun["settings"]): string {
  const asked = questions.map(({ text, gold }) => [text, gold]);
  const sampling = samplingOf(forEvaluation(settings));
  // as training samples: so it was before evaluations had settings of their own
  const isUsual = isDeepStrictEqual(sampling, samplingOf(settings));
  const key = [settings.evalSamples, ...asked, ...(isUsual ? [] : [sampling])];
  return sha256().update(JSON.stringify(key)).digest();
}

/** The evaluations of a run that goes on, if they are of what it evaluates now: else nothing of before compares. */
function comparable(
  { before, best, heldOut }: TrainerState,
  now: string | null,
  questions: number,
  samples: number,
): Evaluations {
  const unknown = heldOut === null && before?.questions === questions && before.samples === samples;
  return heldOut === now || unknown ? { before, best } : { before: null, best: null };
}

/** The settings of `train` as the method has them: what stands for another one is settled. */
const asGrpo = <S extends TrainSettings & RolloutSettings>(
  settings: S,
): S & GrpoSettings & { gradientShards: number } => ({
  ...settings,
  // a run of before there were shards, and one that says nothing of them, has one
  gradientShards: settings.gradientShards ?? (settings.ray && !settings.resume ? 8 : 1),
  epsilonLow: settings.epsilon,
  epsilonHigh: settings.epsilonHigh ?? settings.epsilon,
  shuffleSeed: shuffleSeedOf(settings),
});

/** The counts and the solved questions of a ledger; the judge is told of every outcome in it. */
export function whatWasSeen(
  ledger: Pick<Ledger, "counts" | "solvedQuestions">,
  judge: Pick<Judge, "remember">,
): { counter: OutcomeCounter; solved: Set<string> } {
  const counter = new OutcomeCounter();
  for (const [question, outcome, count] of ledger.counts()) {
    counter.addCount(question, outcome, count);
    if (outcome !== null) judge.remember(question, outcome);
  }
  return { counter, solved: new Set(ledger.solvedQuestions()) };
}

/** Counts mean nothing until questions are seen again: the paper's comparisons need ten visits or more. */
export function warnOfFewVisits(
  questions: number,
  { advantage, exploration }: { advantage: Advantage; exploration: Exploration },
  settings: Pick<TrainSettings, "advantage" | "explore" | "maxSteps" | "promptsPerStep">,
  note: (text: string) => void,
): void {
  const visits = (settings.maxSteps * settings.promptsPerStep) / questions;
  const needing = [
    usesHistory(exploration) &&
      `--explore ${settings.explore} rewards rare answers only from the second visit on and needs 4 or more`,
    advantage.method.readsHistory &&
      `--advantage ${settings.advantage} has earlier answers to read only from the second visit on and needs 4 or more`,
  ].filter(Boolean);
  if (needing.length === 0 || visits >= 4) return;
  note(
    `warning: each of the ${questions} questions will be visited ${visits.toFixed(1)} times; ` +
      `${needing.join("; ")} (raise --max-steps or --prompts-per-step, or use fewer questions)`,
  );
}

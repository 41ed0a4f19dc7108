import type { Question } from "./data/questions.ts";
import { NotFiniteError } from "./errors.ts";
import {
  type Advantage,
  hasSignal,
  rewardAdvantages,
  type ScaleRewards,
} from "./explore/advantages.ts";
import { type Exploration, explorationSignal, tokenSignal } from "./explore/bonus.ts";
import type { OutcomeCounter } from "./explore/counter.ts";
import { type LossSums, newLossSums } from "./explore/loss.ts";
import type { Group as Seen } from "./explore/method.ts";
import { type Learner, type LearnSettings, type ScoredGroup, update } from "./learn.ts";
import { learningRateAt, type Schedule } from "./model/schedule.ts";
import type { SamplingPolicy } from "./policy.ts";
import { drawQuestions } from "./random.ts";
import { type Earned, earned, type RewardRules } from "./rewards.ts";
import { type Group, PURPOSE, type RolloutSettings, rollout } from "./rollout.ts";

export interface GrpoSettings extends RolloutSettings, LearnSettings {
  maxSteps: number;
  /** Questions drawn in a step. */
  promptsPerStep: number;
  /** Completions of a question: its group. */
  numGenerations: number;
  /** Of the order of the questions. */
  shuffleSeed: number;
  scaleRewards: ScaleRewards;
  /** Whether groups whose whole signal is zero are replaced by fresh questions. */
  filterZeroVariance: boolean;
  /** Times the completions of a step are learned from. */
  numIterations: number;
  /** Updates each of those times is split into. */
  stepsPerGeneration: number;
  /** The peak, reached after `warmupSteps` steps. */
  learningRate: number;
  warmupSteps: number;
  lrSchedulerType: Schedule;
}

/** What a run that goes on later must be given back. */
export interface TrainingState {
  /** Steps done. */
  step: number;
  /** Questions drawn. */
  drawn: number;
  /** Updates of the weights. */
  updates: number;
  /** N(x, a) of the steps done. */
  counter: OutcomeCounter;
  /** Texts of the questions that were answered right. */
  solved: Set<string>;
}

/** Everything the method works with. */
export interface Training {
  policy: SamplingPolicy;
  /** Moves the policy: `PolicyGradient` on one GPU. */
  learner: Learner;
  settings: GrpoSettings;
  advantage: Advantage;
  exploration: Exploration;
  rewards: RewardRules;
  /** The questions asked: `count` of them, each by its place. */
  questions: { readonly count: number; at(place: number): Question };
  /** Moved on by every step. */
  state: TrainingState;
}

/** What happened in a step. */
export interface StepReport {
  step: number;
  groups: ScoredGroup[];
  /** Over all updates of the step; the loss and the gradient norm are means over updates. */
  sums: LossSums & { gradNorm: number };
  /** Of the step's last update. */
  learningRate: number;
  samplingSeconds: number;
  learningSeconds: number;
}

/** Who listens to a run: shows, logs, evaluates and saves it. */
export interface Listener {
  /** What is being done right now. */
  activity(text: string): void;
  /** A step is over, and what it saw is counted. The next one waits for the listener. */
  step(report: StepReport): void | Promise<void>;
}

/**
 * GRPO with outcome-based exploration, until `maxSteps` or the signal.
 * @throws NotFiniteError if logits were not, or a loss or its gradient: then the weights are those before that update
 */
export async function train(training: Training, listener: Listener, signal?: AbortSignal) {
  const { settings, state } = training;
  while (state.step < settings.maxSteps && !signal?.aborted) {
    await listener.step(await trainStep(training, listener));
  }
}

/**
 * One step: draws questions, samples a group of completions for each, extracts outcomes and rewards, looks
 * up how often each outcome was seen, turns that into advantages and exploration terms, moves the policy
 * along their sum, and only then counts the outcomes it saw.
 */
async function trainStep(training: Training, listener: Listener): Promise<StepReport> {
  const { state } = training;
  const samplingBegan = performance.now();
  const groups = await drawGroups(training, listener);
  const learningBegan = performance.now();
  const updated = await updatePolicy(training, groups, listener);
  const ended = performance.now();

  // N counts earlier steps only: it grows after the update, once however many updates were made.
  for (const { question, completions } of groups) {
    const outcomes = completions.map(({ outcome }) => outcome);
    state.counter.add(question.text, outcomes);
    if (completions.some(({ correct }) => correct)) state.solved.add(question.text);
  }
  state.step++;
  return {
    step: state.step,
    groups,
    ...updated,
    samplingSeconds: (learningBegan - samplingBegan) / 1000,
    learningSeconds: (ended - learningBegan) / 1000,
  };
}

/**
 * Draws questions, samples their groups, and scores them. With `filterZeroVariance` groups without any
 * signal are replaced by fresh questions until the step is full (DAPO's dynamic sampling), within ten
 * times the questions of a step; those replaced still count as seen.
 */
async function drawGroups(training: Training, listener: Listener): Promise<ScoredGroup[]> {
  const { policy, settings, questions, state } = training;
  const { promptsPerStep, numGenerations, shuffleSeed } = settings;
  const step = state.step + 1;
  const groups: Group[] = [];
  let scored: ScoredGroup[] = [];
  let { drawn } = state;
  let missing = promptsPerStep;
  while (missing > 0 && groups.length < 10 * promptsPerStep) {
    listener.activity(`sampling ${missing} groups`);
    const places = drawQuestions(shuffleSeed, drawn, missing, questions.count);
    drawn += missing;
    const asked = places.map((place) => questions.at(place));
    const slot = groups.length;
    groups.push(
      ...(await rollout(policy, asked, numGenerations, settings, PURPOSE.train, step, slot)),
    );
    scored = score(training, groups);
    missing = settings.filterZeroVariance
      ? promptsPerStep - scored.filter((group) => group.hasSignal).length
      : 0;
  }
  // only now: a judge or a method that failed before leaves the state as it was after the last step
  state.drawn = drawn;
  return scored;
}

/** Rewards from their parts, advantages from rewards; exploration terms from how often each outcome was seen before. */
function score(training: Training, groups: readonly Group[]): ScoredGroup[] {
  const { settings, advantage, exploration, rewards } = training;
  const earnings = groups.map(({ completions }) => completions.map((one) => earned(one, rewards)));
  const seen = groups.map((group, g) => seenOf(training, group, earnings[g]));
  const signals = rewardAdvantages(seen, advantage, settings.scaleRewards);
  return groups.map((group, g) => {
    // what is left out is moved along nothing
    let kept = 0;
    const place = earnings[g].map(({ reward }) => (reward === null ? -1 : kept++));
    const spread = (values: Float64Array) => Float64Array.from(place, (i) => values[i] ?? 0);
    const advantages = spread(signals[g]);
    const signal = spread(explorationSignal(exploration, seen[g]));
    const tokens = tokenSignal(exploration, seen[g]);
    return {
      ...group,
      earned: earnings[g],
      advantages,
      exploration: signal,
      tokenExploration: tokens && place.map((i) => tokens[i]),
      hasSignal: tokens !== undefined || hasSignal(advantages, signal, settings.exploreTokens),
    };
  });
}

/** What the methods see of a group: the completions that are learned from. */
function seenOf(
  { settings, state }: Training,
  { question, completions }: Group,
  earnings: readonly Earned[],
): Seen {
  const kept = completions.filter((_, i) => earnings[i].reward !== null);
  const outcomes = kept.map(({ outcome }) => outcome);
  return {
    question: question.text,
    outcomes,
    counts: state.counter.counts(question.text, outcomes),
    history: state.counter.outcomes(question.text),
    correct: kept.map(({ correct }) => correct),
    rewards: earnings.flatMap(({ reward }) => reward ?? []),
    parts: earnings.flatMap(({ reward, parts }) => (reward === null ? [] : [parts])),
    logprobs: kept.map(({ logprobs }) => logprobs),
    entropies: kept.map(({ entropies }) => entropies),
    truncated: kept.map(({ finished }) => !finished),
    step: state.step + 1,
    maxSteps: settings.maxSteps,
  };
}

/** The updates of one step: `numIterations` passes over the groups, each in `stepsPerGeneration` parts. */
async function updatePolicy(
  { settings, state, learner }: Training,
  groups: readonly ScoredGroup[],
  listener: Listener,
) {
  const learned = settings.filterZeroVariance ? groups.filter((group) => group.hasSignal) : groups;
  const parts = settings.stepsPerGeneration;
  const updates = settings.numIterations * parts;
  const sums = { ...newLossSums(), gradNorm: 0 };
  let learningRate = 0;
  for (let i = 0; i < updates; i++) {
    const part = i % parts;
    const from = Math.round((part * learned.length) / parts);
    const to = Math.round(((part + 1) * learned.length) / parts);
    listener.activity(`learning, update ${i + 1} of ${updates}`);
    learningRate = scheduledRate(settings, state.updates);
    state.updates++;
    const { gradNorm, ...result } = await update(
      learner,
      learned.slice(from, to),
      settings,
      learningRate,
      state.updates,
    );
    if (gradNorm === null) throw new NotFiniteError("loss");
    sums.loss += result.loss / updates;
    sums.gradNorm += gradNorm / updates;
    sums.tokens += result.tokens;
    sums.kl += result.kl;
    sums.ratio += result.ratio;
    sums.clippedLow += result.clippedLow;
    sums.clippedHigh += result.clippedHigh;
  }
  return { sums, learningRate };
}

type RateSettings = Pick<
  GrpoSettings,
  | "learningRate"
  | "warmupSteps"
  | "maxSteps"
  | "lrSchedulerType"
  | "numIterations"
  | "stepsPerGeneration"
>;

/** The learning rate of the update that comes after `updates` others. */
export function scheduledRate(settings: RateSettings, updates: number): number {
  const updatesPerStep = settings.numIterations * settings.stepsPerGeneration;
  return learningRateAt(updates, {
    learningRate: settings.learningRate,
    warmupSteps: settings.warmupSteps * updatesPerStep,
    maxSteps: settings.maxSteps * updatesPerStep,
    schedule: settings.lrSchedulerType,
  });
}

import { latestCheckpoint, pruneCheckpoints, saveCheckpoint } from "./checkpoint.ts";
import { drawQuestions } from "./data/random.ts";
import { readRows } from "./data/rows.ts";
import { UserError } from "./errors.ts";
import { type Evaluation, measure, passRow, powersOfTwo } from "./evaluate.ts";
import { hasSignal, rewardAdvantages } from "./explore/advantages.ts";
import {
  type Exploration,
  explorationSignal,
  parseExploration,
  usesHistory,
} from "./explore/bonus.ts";
import { OutcomeCounter } from "./explore/counter.ts";
import { distinctAnswers } from "./explore/estimators.ts";
import type { LossSums } from "./explore/loss.ts";
import { PolicyGradient, type ScoredGroup } from "./learn.ts";
import { Ledger, type Rollout } from "./ledger.ts";
import type { ModelFolder } from "./model/folder.ts";
import { learningRateAt } from "./model/schedule.ts";
import { formatPlan, openGpu, openNamedModel, Policy, tokenizerOf } from "./policy.ts";
import { Progress, passTable, type StepMetrics } from "./progress.ts";
import {
  type Group,
  longestPrompt,
  PURPOSE,
  prepareQuestions,
  type Question,
  requireContext,
  rollout,
} from "./rollout.ts";
import { RunFolder } from "./run.ts";
import type { TrainSettings } from "./settings.ts";
import { runConfig } from "./versions.ts";

/** What a resumed run needs beside weights, moments and ledger. */
interface TrainerState {
  /** Questions drawn so far. */
  drawn: number;
  /** Updates of the weights so far. */
  updates: number;
  /** The evaluation of the model the run started from. */
  before: Evaluation | null;
  /** The best pass@1 on the held-out questions, and the step of its checkpoint. */
  best: { step: number; passAt1: number } | null;
}

/**
 * `rlexplore train`: GRPO with outcome-based exploration. One step draws questions, samples a group
 * of completions for each, extracts outcomes and rewards, looks up how often each outcome was seen,
 * turns that into advantages and exploration terms, moves the policy along their sum, and only then
 * counts the outcomes it saw.
 */
export async function train(settings: TrainSettings, signal?: AbortSignal): Promise<void> {
  const run = await Run.open(settings);
  try {
    await run.evaluateBefore();
    while (run.step < settings.maxSteps && !signal?.aborted) await run.trainStep();
    await run.finish(signal?.aborted ?? false);
  } finally {
    run.close();
  }
}

class Run {
  step: number;
  private saved: number;
  private readonly counter = new OutcomeCounter();
  private readonly solved: Set<string>;
  private readonly policyGradient: PolicyGradient;
  private readonly exploration: Exploration;

  private constructor(
    private readonly settings: TrainSettings,
    private readonly folder: RunFolder,
    private readonly ledger: Ledger,
    private readonly model: ModelFolder,
    private readonly policy: Policy,
    private readonly questions: Question[],
    private readonly heldOut: Question[],
    private readonly state: TrainerState,
    private readonly progress: Progress,
    resumedStep: number,
  ) {
    this.step = resumedStep;
    this.saved = resumedStep;
    for (const [question, outcome, count] of ledger.counts()) {
      this.counter.addCount(question, outcome, count);
    }
    this.solved = new Set(ledger.solvedQuestions());
    this.exploration = explorationOf(settings);
    this.policyGradient = new PolicyGradient(policy, settings.microBatchTokens, {
      ...settings,
      epsilonLow: settings.epsilon,
      epsilonHigh: settings.epsilonHigh ?? settings.epsilon,
      temperature: settings.temperature,
    });
  }

  /** Reads the data, opens model and GPU, and takes up a run where its last checkpoint left it. */
  static async open(settings: TrainSettings): Promise<Run> {
    const { rows, skipped, firstProblem } = await readRows(settings.data, settings);
    const heldOutRows = settings.evalFile ? (await readRows(settings.evalFile, settings)).rows : [];
    const exploration = explorationOf(settings);
    const base = await openNamedModel(settings.model);
    const tokenizer = tokenizerOf(base);
    const questions = prepareQuestions(tokenizer, rows, settings.data);
    const heldOut = prepareQuestions(tokenizer, heldOutRows, settings.evalFile ?? "");
    const all = [...questions, ...heldOut];
    requireContext(all, settings.maxCompletionLength, base.config.maxPositionEmbeddings);
    requireMicroBatch(questions, settings);

    const folder = settings.resume
      ? RunFolder.open(settings.resume)
      : RunFolder.create(settings.outputDir, settings.data);
    const ledger = new Ledger(folder.ledgerPath);
    const checkpoint = settings.resume ? await latestCheckpoint<TrainerState>(folder.path) : null;
    const step = checkpoint?.step ?? 0;
    ledger.removeAfter(step);
    folder.removeMetricsAfter(step);

    const progress = new Progress({ total: settings.maxSteps, done: step, ...settings });
    const gpu = await openGpu(settings.gpu);
    folder.writeConfig(runConfig(settings, gpu));
    progress.note(gpu.found.why);
    if (skipped > 0) progress.note(`left out ${skipped} rows; the first: ${firstProblem}`);
    warnOfFewVisits(questions.length, exploration, settings, progress);

    const learning = {
      microBatchTokens: settings.microBatchTokens,
      optimizer: settings,
      reference: settings.beta > 0,
    };
    const sampling = {
      rows: settings.samplingBatchSize,
      samplesPerPrompt: settings.numGenerations,
      maxPromptTokens: longestPrompt(all),
      maxNewTokens: settings.maxCompletionLength,
    };
    const policy = await Policy.open(gpu, base, { learning, sampling }, (plan) =>
      progress.note(formatPlan(plan)),
    );
    if (policy.reference) policy.reference.copyFrom(gpu, policy.weights);
    if (checkpoint) {
      await policy.load(policy.weights, checkpoint.tensors);
      await policy.loadMoments(checkpoint.optimizer);
      progress.note(`resumed after step ${step}`);
    }
    const state = checkpoint?.state ?? { drawn: 0, updates: 0, before: null, best: null };
    return new Run(
      settings,
      folder,
      ledger,
      base,
      policy,
      questions,
      heldOut,
      state,
      progress,
      step,
    );
  }

  async evaluateBefore(): Promise<void> {
    if (this.heldOut.length > 0) this.state.before ??= await this.evaluate("the base model");
  }

  /** One step of training, as the method describes it. */
  async trainStep(): Promise<void> {
    const { settings } = this;
    const step = this.step + 1;

    const samplingBegan = performance.now();
    const groups = await this.drawGroups(step);
    const learningBegan = performance.now();

    const sums: LossSums & { gradNorm: number } = await this.updatePolicy(groups, step);
    const ended = performance.now();

    // N counts earlier steps only: it grows after the update, once however many updates were made.
    for (const { question, completions } of groups) {
      this.counter.add(
        question.text,
        completions.map(({ outcome }) => outcome),
      );
      if (completions.some(({ reward }) => reward === 1)) this.solved.add(question.text);
    }
    this.ledger.append(step, groups.flatMap(rolloutsOf));
    this.step = step;

    const tokens = groups.flatMap(({ completions }) => completions.map((c) => c.tokens.length));
    const total = tokens.reduce((a, b) => a + b, 0);
    const metrics = {
      ...describeGroups(groups),
      solved: this.solved.size / this.questions.length,
      loss: sums.loss,
      kl: settings.beta > 0 ? sums.kl / sums.tokens : null,
      gradNorm: sums.gradNorm,
      ratio: sums.ratio / sums.tokens,
      clippedLow: sums.clippedLow / sums.tokens,
      clippedHigh: sums.clippedHigh / sums.tokens,
      samplingTokensPerSecond: (1000 * total) / (learningBegan - samplingBegan),
      learningTokensPerSecond: (1000 * sums.tokens) / (ended - learningBegan),
      seconds: (ended - samplingBegan) / 1000,
    };
    this.folder.appendMetrics({ step, ...metrics });
    this.progress.step(step, metrics satisfies StepMetrics);
    if (settings.logCompletions) this.showCompletions(groups);
    await this.evaluateAndSave(step);
  }

  /**
   * Draws questions, samples their groups, and scores them. With `--filter-zero-variance` groups
   * without any signal are replaced by fresh questions until the step is full (DAPO's dynamic
   * sampling), within ten times the questions of a step; those replaced still count as seen.
   */
  private async drawGroups(step: number): Promise<ScoredGroup[]> {
    const { settings, questions } = this;
    const { promptsPerStep, seed, numGenerations } = settings;
    const groups: Group[] = [];
    let missing = promptsPerStep;
    let scored: ScoredGroup[] = [];
    while (missing > 0 && groups.length < 10 * promptsPerStep) {
      this.progress.activity(`sampling ${missing} groups`);
      const drawn = drawQuestions(seed, this.state.drawn, missing, questions.length);
      this.state.drawn += missing;
      const asked = drawn.map((i) => questions[i]);
      const slot = groups.length;
      groups.push(
        ...(await rollout(this.policy, asked, numGenerations, settings, PURPOSE.train, step, slot)),
      );
      scored = this.score(groups);
      missing = settings.filterZeroVariance
        ? promptsPerStep - scored.filter((group) => group.hasSignal).length
        : 0;
    }
    return scored;
  }

  /** Advantages from rewards; exploration terms from how often each outcome was seen before. */
  private score(groups: readonly Group[]): ScoredGroup[] {
    const { settings, counter, exploration } = this;
    const rewards = groups.map(({ completions }) => completions.map(({ reward }) => reward));
    const advantages = rewardAdvantages(rewards, settings.scaleRewards);
    return groups.map((group, g) => {
      const outcomes = group.completions.map(({ outcome }) => outcome);
      const counts = counter.counts(group.question.text, outcomes);
      const signal = explorationSignal(exploration, { outcomes, counts, rewards: rewards[g] });
      return {
        ...group,
        advantages: advantages[g],
        exploration: signal,
        hasSignal: hasSignal(advantages[g], signal, settings.exploreTokens),
      };
    });
  }

  /**
   * The updates of one step: `--num-iterations` passes over the groups, each in
   * `--steps-per-generation` parts.
   */
  private async updatePolicy(groups: readonly ScoredGroup[], step: number) {
    const { settings, state } = this;
    const learned = settings.filterZeroVariance
      ? groups.filter((group) => group.hasSignal).slice(0, settings.promptsPerStep)
      : groups;
    const parts = settings.stepsPerGeneration;
    const updatesPerStep = settings.numIterations * parts;
    const total: LossSums & { gradNorm: number } = {
      loss: 0,
      tokens: 0,
      kl: 0,
      ratio: 0,
      clippedLow: 0,
      clippedHigh: 0,
      gradNorm: 0,
    };
    for (let update = 0; update < updatesPerStep; update++) {
      const part = update % parts;
      const from = Math.round((part * learned.length) / parts);
      const to = Math.round(((part + 1) * learned.length) / parts);
      this.progress.activity(`learning, update ${update + 1} of ${updatesPerStep}`);
      const rate = learningRateAt(state.updates, {
        learningRate: settings.learningRate,
        warmupSteps: settings.warmupSteps,
        maxSteps: settings.maxSteps * updatesPerStep,
        schedule: settings.lrSchedulerType,
      });
      state.updates++;
      const result = await this.policyGradient.update(learned.slice(from, to), rate, state.updates);
      if (result.gradNorm === null) throw new UserError(this.notFinite(step));
      total.loss += result.loss / updatesPerStep;
      total.gradNorm += result.gradNorm / updatesPerStep;
      total.tokens += result.tokens;
      total.kl += result.kl;
      total.ratio += result.ratio;
      total.clippedLow += result.clippedLow;
      total.clippedHigh += result.clippedHigh;
    }
    return total;
  }

  private notFinite(step: number): string {
    const kept = this.saved > 0 ? `checkpoint-${this.saved} is untouched` : "nothing was saved yet";
    return `step ${step}: the loss or its gradient is not a finite number; lower --learning-rate (${kept})`;
  }

  private showCompletions(groups: readonly ScoredGroup[]): void {
    for (const { question, completions, exploration } of groups.slice(0, 2)) {
      const lines = completions
        .slice(0, 4)
        .map(
          ({ text, outcome, reward }, i) =>
            `  ${text}  -> ${outcome ?? "no answer"}, reward ${reward}, exploration ${exploration[i].toFixed(3)}`,
        );
      this.progress.note([question.text, ...lines].join("\n"));
    }
  }

  /** Evaluations and checkpoints that fall on this step. */
  private async evaluateAndSave(step: number): Promise<void> {
    const { settings, state } = this;
    const isLast = step === settings.maxSteps;
    let better = false;
    if (!isLast && settings.evalSteps > 0 && step % settings.evalSteps === 0) {
      better = this.noteBest(step, await this.evaluate(`step ${step}`));
    }
    if (better && settings.saveBest)
      state.best = { ...(state.best as NonNullable<typeof state.best>), step };
    if ((better && settings.saveBest) || (!isLast && step % settings.saveSteps === 0)) {
      await this.save();
    }
  }

  private noteBest(step: number, evaluation: Evaluation): boolean {
    const passAt1 = evaluation.passAtK[0][1];
    if (this.state.best && this.state.best.passAt1 >= passAt1) return false;
    this.state.best = { step, passAt1 };
    return true;
  }

  private async evaluate(name: string): Promise<Evaluation> {
    const { heldOut, settings, policy, progress } = this;
    const samples = settings.evalSamples;
    const result = await measure(policy, heldOut, samples, powersOfTwo(samples), settings, (done) =>
      progress.activity(`evaluating ${name}: ${done} of ${heldOut.length} questions`),
    );
    const values = result.passAtK.map(([k, value]) => `pass@${k} ${value.toFixed(3)}`);
    progress.note(`${name}: ${values.join("  ")}  distinct ${result.distinct.toFixed(2)}`);
    return result;
  }

  private async save(): Promise<string> {
    const { policy, model, state, settings } = this;
    const path = await saveCheckpoint(this.folder.path, this.step, {
      model,
      weights: policy.weightSources(),
      optimizer: policy.momentSources(),
      state,
    });
    this.saved = this.step;
    const keep = settings.saveBest && state.best ? [state.best.step] : [];
    pruneCheckpoints(this.folder.path, settings.saveTotalLimit, keep);
    return path;
  }

  /** The table of before and after; or, interrupted, a checkpoint and the way back to it. */
  async finish(interrupted: boolean): Promise<void> {
    const { progress, state, settings, folder } = this;
    if (interrupted && this.step < settings.maxSteps) {
      await this.save();
      progress.end();
      progress.note(
        `stopped after step ${this.step}; go on with: rlexplore train --resume ${folder.path}`,
      );
      return;
    }
    let after: Evaluation | null = null;
    if (this.heldOut.length > 0) {
      after = await this.evaluate("the trained model");
      this.noteBest(this.step, after);
    }
    const path = await this.save();
    progress.end();
    if (state.before && after) {
      const { questions, samples } = after;
      const title = `Held out: ${questions} questions, ${samples} samples each`;
      const rows = [passRow("base", state.before), passRow("trained", after)];
      progress.result("evaluation", { before: state.before, after }, passTable(title, rows));
    }
    progress.result("saved", { path }, `the model is in ${path}`);
  }

  close(): void {
    this.ledger.close();
    this.policy.gpu.destroy();
  }
}

function explorationOf({ explore, exploreCoef, b0 }: TrainSettings): Exploration {
  try {
    return parseExploration(explore, exploreCoef, b0);
  } catch (error) {
    throw new UserError((error as Error).message);
  }
}

/** A question and one completion of it must fit one micro-batch. */
function requireMicroBatch(questions: readonly Question[], settings: TrainSettings): void {
  const needed = longestPrompt(questions) + settings.maxCompletionLength;
  if (needed > settings.microBatchTokens) {
    throw new UserError(
      `a prompt and its completion may have ${needed} tokens; raise --micro-batch-tokens ${settings.microBatchTokens} to that, or lower --max-completion-length`,
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

function describeGroups(groups: readonly ScoredGroup[]) {
  const completions = groups.flatMap((group) => group.completions);
  const mean = (value: (c: (typeof completions)[number]) => number) =>
    completions.reduce((sum, completion) => sum + value(completion), 0) / completions.length;
  const tokens = mean((c) => c.tokens.length);
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const distinct = groups.map((group) =>
    distinctAnswers(group.completions.map(({ outcome }) => outcome)),
  );
  return {
    reward: mean((c) => c.reward),
    passAt1: mean((c) => (c.reward === 1 ? 1 : 0)),
    distinct: sum(distinct) / groups.length,
    entropy: mean((c) => sum(c.entropies)) / tokens,
    completionLength: tokens,
    truncated: mean((c) => (c.finished ? 0 : 1)),
    noAnswer: mean((c) => (c.outcome === null ? 1 : 0)),
    exploration: sum(groups.map((group) => sum([...group.exploration]))) / completions.length,
    skippedGroups: groups.filter((group) => !group.hasSignal).length,
  };
}

function rolloutsOf({ question, slot, completions, advantages, exploration }: ScoredGroup) {
  return completions.map((completion, sample): Rollout => {
    const tokens = completion.tokens.length;
    const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / tokens;
    return {
      question: question.text,
      slot,
      sample,
      completion: completion.text,
      outcome: completion.outcome,
      reward: completion.reward,
      exploration: exploration[sample],
      advantage: advantages[sample],
      tokens,
      truncated: !completion.finished,
      logprob: mean(completion.logprobs),
      entropy: mean(completion.entropies),
    };
  });
}

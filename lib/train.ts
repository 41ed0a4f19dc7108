import { type Evaluation, passRow } from "../beyond/measuring/evaluation.ts";
import { evaluateHeldOut } from "../beyond/measuring/held-out.ts";
import { type OpenRun, openRun } from "../beyond/opening/open-run.ts";
import { closeGpu } from "../beyond/opening/policy.ts";
import { shuffleSeedOf } from "../beyond/opening/questions.ts";
import { checkpointPath, pruneCheckpoints, saveCheckpoint } from "../beyond/runs/checkpoint.ts";
import { describeGroups, rolloutsOf } from "../beyond/runs/metrics.ts";
import type { TrainSettings } from "../beyond/settings/training.ts";
import { NOT_FINITE_REMEDY } from "../beyond/storage/precision.ts";
import { passTable, type StepMetrics } from "../beyond/terminal/progress.ts";
import { UserError } from "./errors.ts";
import { hasSignal, rewardAdvantages } from "./explore/advantages.ts";
import { explorationSignal } from "./explore/bonus.ts";
import { OutcomeCounter } from "./explore/counter.ts";
import { newLossSums } from "./explore/loss.ts";
import { PolicyGradient, type ScoredGroup } from "./learn.ts";
import { learningRateAt } from "./model/schedule.ts";
import { drawQuestions } from "./random.ts";
import { earned } from "./rewards.ts";
import { type Group, PURPOSE, rollout } from "./rollout.ts";

/**
 * `rlexplore train`: GRPO with outcome-based exploration. One step draws questions, samples a group
 * of completions for each, extracts outcomes and rewards, looks up how often each outcome was seen,
 * turns that into advantages and exploration terms, moves the policy along their sum, and only then
 * counts the outcomes it saw.
 */
export async function train(settings: TrainSettings, signal?: AbortSignal): Promise<void> {
  const run = await openRun(settings);
  try {
    const trainer = new Trainer(run);
    signal?.addEventListener("abort", () =>
      run.progress.note("stopping after this step or evaluation; Ctrl-C again stops at once"),
    );
    await trainer.evaluateBase();
    run.progress.start();
    while (trainer.step < settings.maxSteps && !signal?.aborted) await trainer.trainStep();
    await trainer.finish(signal?.aborted ?? false);
  } finally {
    run.ledger.close();
    await closeGpu(run.policy.gpu);
  }
}

class Trainer {
  /** Steps done. */
  step: number;
  /** The step of the last checkpoint, 0 if there is none. */
  private saved: number;
  private readonly counter = new OutcomeCounter();
  private readonly solved: Set<string>;
  private readonly policyGradient: PolicyGradient;

  constructor(private readonly run: OpenRun) {
    const { settings, ledger, policy, outcome: outcomes } = run;
    this.step = run.step;
    this.saved = run.step;
    for (const [question, outcome, count] of ledger.counts()) {
      this.counter.addCount(question, outcome, count);
      if (outcome !== null) outcomes.remember(question, outcome);
    }
    this.solved = new Set(ledger.solvedQuestions());
    this.policyGradient = new PolicyGradient(policy, settings.microBatchTokens, {
      ...settings,
      epsilonLow: settings.epsilon,
      epsilonHigh: settings.epsilonHigh ?? settings.epsilon,
    });
  }

  async evaluateBase(): Promise<void> {
    const { heldOut, state } = this.run;
    if (heldOut.length > 0) state.before ??= await this.evaluate("the base model");
  }

  /** One step of training, as the method describes it. */
  async trainStep(): Promise<void> {
    const { settings, questions, ledger, folder, progress } = this.run;
    const step = this.step + 1;

    const samplingBegan = performance.now();
    const groups = await this.drawGroups(step);
    const learningBegan = performance.now();

    const sums = await this.updatePolicy(groups, step);
    const ended = performance.now();

    // N counts earlier steps only: it grows after the update, once however many updates were made.
    for (const { question, completions } of groups) {
      this.counter.add(
        question.text,
        completions.map(({ outcome }) => outcome),
      );
      if (completions.some(({ correct }) => correct)) this.solved.add(question.text);
    }
    ledger.append(step, groups.flatMap(rolloutsOf));
    this.step = step;

    const tokens = groups.flatMap(({ completions }) => completions.map((c) => c.tokens.length));
    const total = tokens.reduce((a, b) => a + b, 0);
    const metrics = {
      ...describeGroups(groups),
      solved: this.solved.size / questions.different,
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
    folder.appendMetrics({ step, ...metrics });
    progress.step(step, metrics satisfies StepMetrics);
    if (settings.logCompletions) this.showCompletions(groups);
    await this.evaluateAndSave(step);
  }

  /**
   * Draws questions, samples their groups, and scores them. With `--filter-zero-variance` groups
   * without any signal are replaced by fresh questions until the step is full (DAPO's dynamic
   * sampling), within ten times the questions of a step; those replaced still count as seen.
   */
  private async drawGroups(step: number): Promise<ScoredGroup[]> {
    const { settings, questions, policy, state, progress } = this.run;
    const { promptsPerStep, numGenerations } = settings;
    const seed = shuffleSeedOf(settings);
    const groups: Group[] = [];
    let missing = promptsPerStep;
    let scored: ScoredGroup[] = [];
    while (missing > 0 && groups.length < 10 * promptsPerStep) {
      progress.activity(`sampling ${missing} groups`);
      const drawn = drawQuestions(seed, state.drawn, missing, questions.count);
      state.drawn += missing;
      const asked = drawn.map((place) => questions.at(place));
      const slot = groups.length;
      groups.push(
        ...(await rollout(policy, asked, numGenerations, settings, PURPOSE.train, step, slot)),
      );
      scored = this.score(groups);
      missing = settings.filterZeroVariance
        ? promptsPerStep - scored.filter((group) => group.hasSignal).length
        : 0;
    }
    return scored;
  }

  /** Rewards from their parts, advantages from rewards; exploration terms from how often each outcome was seen before. */
  private score(groups: readonly Group[]): ScoredGroup[] {
    const { settings, exploration, rewards: rules } = this.run;
    const earnings = groups.map(({ completions }) => completions.map((one) => earned(one, rules)));
    const rewards = earnings.map((group) => group.map(({ reward }) => reward));
    const advantages = rewardAdvantages(rewards, settings.scaleRewards);
    return groups.map((group, g) => {
      const outcomes = group.completions.map(({ outcome }) => outcome);
      const counts = this.counter.counts(group.question.text, outcomes);
      const correct = group.completions.map((completion) => (completion.correct ? 1 : 0));
      const signal = explorationSignal(exploration, { outcomes, counts, rewards: correct });
      return {
        ...group,
        earned: earnings[g],
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
    const { settings, state, progress } = this.run;
    const learned = settings.filterZeroVariance
      ? groups.filter((group) => group.hasSignal).slice(0, settings.promptsPerStep)
      : groups;
    const parts = settings.stepsPerGeneration;
    const updatesPerStep = settings.numIterations * parts;
    const total = { ...newLossSums(), gradNorm: 0 };
    for (let update = 0; update < updatesPerStep; update++) {
      const part = update % parts;
      const from = Math.round((part * learned.length) / parts);
      const to = Math.round(((part + 1) * learned.length) / parts);
      progress.activity(`learning, update ${update + 1} of ${updatesPerStep}`);
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
    const remedy = NOT_FINITE_REMEDY[this.run.settings.dtype];
    return `step ${step}: the loss or its gradient is not a finite number; ${remedy} (${kept})`;
  }

  private showCompletions(groups: readonly ScoredGroup[]): void {
    const { progress } = this.run;
    for (const { question, completions, earned, exploration } of groups.slice(0, 2)) {
      const lines = completions
        .slice(0, 4)
        .map(
          ({ text, outcome }, i) =>
            `  ${text}  -> ${outcome ?? "no answer"}, reward ${earned[i].reward}, exploration ${exploration[i].toFixed(3)}`,
        );
      progress.note([question.text, ...lines].join("\n"));
    }
  }

  /** Evaluations and checkpoints that fall on this step; the last step's are left to `finish`. */
  private async evaluateAndSave(step: number): Promise<void> {
    const { settings } = this.run;
    if (step === settings.maxSteps) return;
    const isBest =
      settings.evalSteps > 0 &&
      step % settings.evalSteps === 0 &&
      this.noteBest(await this.evaluate(`step ${step}`));
    if (step % settings.saveSteps === 0 || (isBest && settings.saveBest)) await this.save();
  }

  /** Remembers the best pass@1 so far; true if this is it. */
  private noteBest(evaluation: Evaluation): boolean {
    const { state } = this.run;
    const passAt1 = evaluation.figures["pass@1"] ?? 0;
    if (state.best && state.best.passAt1 >= passAt1) return false;
    state.best = { step: this.step, passAt1 };
    return true;
  }

  private evaluate(name: string): Promise<Evaluation> {
    return evaluateHeldOut(this.run, this.step, name);
  }

  /** Writes a checkpoint, unless this step has one. */
  private async save(): Promise<string> {
    const { policy, model, state, settings, folder } = this.run;
    if (this.saved === this.step) return checkpointPath(folder.path, this.step);
    const path = await saveCheckpoint(folder.path, this.step, {
      model,
      lora: policy.lora,
      weights: policy.weightSources(),
      optimizer: policy.momentSources(),
      state,
    });
    this.saved = this.step;
    const keep = settings.saveBest && state.best ? [state.best.step] : [];
    pruneCheckpoints(folder.path, settings.saveTotalLimit, keep);
    return path;
  }

  /** The table of before and after; or, interrupted, a checkpoint and the way back to it. */
  async finish(interrupted: boolean): Promise<void> {
    const { progress, state, settings, folder, heldOut } = this.run;
    if (interrupted && this.step < settings.maxSteps) {
      await this.save();
      progress.end();
      progress.result(
        "stopped",
        { step: this.step, run: folder.path },
        `stopped after step ${this.step}; go on with: rlexplore train --resume ${folder.path}`,
      );
      return;
    }
    let after: Evaluation | null = null;
    if (heldOut.length > 0) {
      after = await this.evaluate("the trained model");
      this.noteBest(after);
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
}

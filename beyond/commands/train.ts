import { UserError } from "../../lib/errors.ts";
import type { ScoredGroup } from "../../lib/learn.ts";
import * as method from "../../lib/train.ts";
import type { Bridging } from "../cluster/bridge.ts";
import { heldOutTable, modelCard } from "../export/card.ts";
import { drawnText, type Evaluation, passRow } from "../measuring/evaluation.ts";
import { evaluateHeldOut } from "../measuring/held-out.ts";
import { explainNotFinite } from "../opening/not-finite.ts";
import { type OpenRun, openRun } from "../opening/open-run.ts";
import { OwnCodeError } from "../own/mistakes.ts";
import { pruneCheckpoints, saveCheckpoint } from "../runs/checkpoint.ts";
import { LearningNothing } from "../runs/learning-nothing.ts";
import { describeStep, promptsOf, rolloutsOf } from "../runs/metrics.ts";
import { Milestones } from "../runs/milestones.ts";
import type { TrainerState } from "../runs/trainer-state.ts";
import type { TrainSettings } from "../settings/training.ts";
import { countsAs } from "../terminal/completions.ts";
import { command } from "../terminal/program.ts";
import { type Progress, passTable } from "../terminal/progress.ts";

/**
 * `rlexplore train`: opens a run, listens to its steps, and keeps, shows and evaluates what comes of them.
 * @param lane the part of a cluster that it has to itself, if any
 */
export async function train(
  given: TrainSettings,
  signal?: AbortSignal,
  lane?: Bridging,
): Promise<void> {
  const run = await openRun(given, lane);
  const { progress, settings, heldOut, state } = run;
  const milestones = milestonesOf(run);
  const nothing = new LearningNothing(settings, (text) => progress.note(text));
  const tellOfStop = () =>
    progress.note("stopping after this step or evaluation; Ctrl-C again stops at once");
  signal?.addEventListener("abort", tellOfStop);
  try {
    // a run that goes on with other held-out questions has no base model any more
    if (heldOut.length > 0 && state.step === 0) await milestones.base(0);
    progress.start();
    await method.train(run, listener(run, milestones, nothing), signal);
    const stopped = signal?.aborted && state.step < settings.maxSteps;
    await (stopped ? stop(run, milestones) : finish(run, milestones, nothing.atEnd));
  } catch (error) {
    const { step, updates } = state;
    const when = step > 0 ? `after step ${step}` : "in the first step";
    if (error instanceof OwnCodeError && step > 0) throw await saved(run, milestones, error);
    throw explainNotFinite(error, { ...settings, updates, when, kept: milestones.kept });
  } finally {
    // compare gives all its runs the same signal
    signal?.removeEventListener("abort", tellOfStop);
    run.folder.tell(null);
    run.ledger.close();
    await run.policy.close();
  }
}

/** What is done with every step: into the ledger, the metrics and the display; then evaluations and checkpoints. */
const listener = (
  run: OpenRun,
  milestones: Milestones,
  nothing: LearningNothing,
): method.Listener => ({
  activity: (text) => run.progress.activity(text),
  async step(report) {
    const { settings, questions, ledger, folder, progress, state, policy } = run;
    const { step, groups } = report;
    folder.requireThere();
    ledger.append(step, groups.flatMap(rolloutsOf), promptsOf(groups, policy.tokenizer));
    const solved = state.solved.size / questions.different;
    const metrics = describeStep(report, solved, settings.beta > 0);
    folder.appendMetrics({ step, ...metrics });
    progress.step(step, metrics);
    nothing.step(metrics);
    if (settings.logCompletions) showCompletions(groups, progress);
    await milestones.reached(step);
  },
});

function milestonesOf(run: OpenRun): Milestones {
  const { folder, settings, evaluations, policy, model, state, ledger, heldOutKey } = run;
  let evaluated: { step: number; evaluation: Evaluation } | null = null;
  const deeds = {
    async evaluate(step: number, name: string) {
      const evaluation = await evaluateHeldOut(run, step, name);
      evaluated = { step, evaluation };
      return evaluation;
    },
    async save(step: number) {
      const { drawn, updates } = state;
      const { before, best } = evaluations;
      run.progress.activity(`saving checkpoint-${step}`);
      const after = evaluated?.step === step ? evaluated.evaluation : null;
      const card = modelCard({
        ...run,
        run: folder.path,
        lora: policy.lora,
        method: "grpo",
        step,
        rows: run.questions.drawn.length,
        heldOut: after && heldOutTable(before, after),
      });
      const { weights, moments } = await policy.sources();
      await saveCheckpoint<TrainerState>(folder.path, step, {
        model,
        lora: policy.lora,
        card,
        weights,
        optimizer: moments,
        state: { drawn, updates, before, best, heldOut: heldOutKey, ledger: ledger.checks(step) },
      });
      ledger.noteSaved(step);
    },
    prune: (keep: readonly number[]) =>
      pruneCheckpoints(folder.path, {
        limit: settings.saveTotalLimit,
        every: settings.saveSteps,
        keep,
      }),
  };
  return new Milestones(folder.path, settings, evaluations, deeds, state.step);
}

/** Completions of a group, and groups, that --log-completions shows of a step. */
const SHOWN = { groups: 2, completions: 4 };

function showCompletions(groups: readonly ScoredGroup[], progress: Progress): void {
  for (const { question, completions, earned, exploration } of groups.slice(0, SHOWN.groups)) {
    const lines = completions
      .slice(0, SHOWN.completions)
      .map(
        (completion, i) =>
          `  ${completion.text}  -> ${countsAs(completion)}, reward ${earned[i].reward ?? "none, left out"}, exploration ${exploration[i].toFixed(3)}`,
      );
    progress.note([question.text, ...lines].join("\n"));
  }
}

/** The error of own code that ends the run, once the steps before it are saved. */
async function saved({ folder, state }: OpenRun, milestones: Milestones, error: OwnCodeError) {
  await milestones.save(state.step);
  const way = `go on with: ${command`train --resume ${folder.path}`}`;
  return new UserError(`${error.message}; saved after step ${state.step}, ${way}`);
}

/** Interrupted: a checkpoint, and the way back to it. */
async function stop({ progress, folder, state }: OpenRun, milestones: Milestones): Promise<void> {
  const { step } = state;
  await milestones.save(step);
  progress.end();
  progress.result(
    "stopped",
    { step, run: folder.path },
    `stopped after step ${step}; go on with: ${command`train --resume ${folder.path}`}`,
  );
}

/** The table of before and after, and where the model is. */
async function finish(run: OpenRun, milestones: Milestones, warning: string | null): Promise<void> {
  const { progress, evaluations, heldOut, state, folder } = run;
  folder.requireThere();
  let after: Evaluation | null = null;
  if (heldOut.length > 0) after = await milestones.last(state.step);
  const path = await milestones.save(state.step);
  folder.requireThere();
  progress.end();
  const { before } = evaluations;
  if (after) {
    const { questions, samples, sampling } = after;
    const title = `Held out: ${drawnText(questions, samples, sampling)}`;
    const rows = [...(before ? [passRow("base", before)] : []), passRow("trained", after)];
    progress.result("evaluation", { before, after }, passTable(title, rows));
  }
  if (warning) progress.result("warning", { text: warning }, warning);
  progress.result("saved", { path }, `the model is in ${path}`);
}

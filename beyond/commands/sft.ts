import { NotFiniteError } from "../../lib/errors.ts";
import { drawQuestions } from "../../lib/random.ts";
import { scheduledRate } from "../../lib/train.ts";
import { type CardTable, modelCard } from "../export/card.ts";
import { NextToken } from "../opening/next-token.ts";
import { explainNotFinite } from "../opening/not-finite.ts";
import {
  type HeldOutLoss,
  type OpenSft,
  openSft,
  type SftState,
  scheduled,
} from "../opening/open-sft.ts";
import { closeGpu } from "../opening/policy.ts";
import { checkpointPath, pruneCheckpoints, saveCheckpoint } from "../runs/checkpoint.ts";
import type { SftSettings } from "../settings/training.ts";
import { command } from "../terminal/program.ts";

/**
 * `rlexplore sft`: next-token training on what completions, or the assistant's turns of conversations, say, with the loss
 *
 *     -1/M sum over the step's M completion tokens of log p(token | what precedes it).
 *
 * @returns the folder of the finished model, or that of the last checkpoint of a run that was stopped
 */
export async function sft(given: SftSettings, signal?: AbortSignal): Promise<string> {
  const run = await openSft(given);
  const { settings, policy, folder, progress, state } = run;
  const { maxSteps, saveSteps } = settings;
  const lessons = new NextToken(policy, settings.microBatchTokens);
  let saved = run.step;
  signal?.addEventListener("abort", () =>
    progress.note("stopping after this step or evaluation; Ctrl-C again stops at once"),
  );
  try {
    if (run.heldOut.length > 0 && run.step === 0) {
      state.before = await evaluate(run, lessons);
      progress.note(`the model it starts from: ${described(state.before)}`);
    }
    let last = state.before;
    progress.start();
    while (run.step < maxSteps && !signal?.aborted) {
      const metrics = await learn(run, lessons);
      folder.requireThere();
      folder.appendMetrics({ step: run.step, ...metrics });
      const { step } = run;
      const isDue = settings.evalSteps > 0 && step % settings.evalSteps === 0;
      const isEvaluated = run.heldOut.length > 0 && (isDue || step === maxSteps);
      if (isEvaluated) last = await evaluate(run, lessons);
      progress.step(step, isEvaluated ? { ...metrics, ...last } : metrics);
      if (step % saveSteps === 0 || step === maxSteps) {
        await save(run, isEvaluated ? last : null);
        saved = step;
      }
    }
    const { step } = run;
    if (step > saved) await save(run, null);
    folder.requireThere();
    const path = checkpointPath(folder.path, step);
    progress.end();
    if (step < maxSteps) {
      const how = command`sft --resume ${folder.path}`;
      progress.result(
        "stopped",
        { step, run: folder.path },
        `stopped after step ${step}; go on with: ${how}`,
      );
      return path;
    }
    if (last && last !== state.before) {
      const before = state.before ? `from ${described(state.before)}, ` : "";
      const data = { before: state.before, after: last };
      progress.result("evaluation", data, `held out: ${before}to ${described(last)}`);
    }
    progress.result("saved", { path }, `${step} steps done; the model is in ${path}`);
    return path;
  } finally {
    folder.tell(null);
    run.lock.close();
    await closeGpu(policy.gpu);
  }
}

/** One step. @returns its metrics */
async function learn(run: OpenSft, lessons: NextToken) {
  const { settings, policy, examples } = run;
  const { rowsPerStep, seed } = settings;
  const began = performance.now();
  run.progress.activity("learning");
  const drawn = drawQuestions(seed, run.step * rowsPerStep, rowsPerStep, examples.length);
  const { loss, entropy, tokens } = await lessons.gradient(drawn.flatMap((i) => examples[i]));
  const learningRate = scheduledRate(scheduled(settings), run.step);
  run.step++;
  const { trained, gradients, optimizer } = policy;
  const gradNorm = await optimizer.update(trained, gradients, learningRate, run.step);
  if (gradNorm === null || !Number.isFinite(loss)) {
    throw explainNotFinite(new NotFiniteError("loss"), {
      ...settings,
      updates: run.step - 1,
      when: `in step ${run.step}`,
      kept: "the last checkpoint is untouched",
    });
  }
  const learningTokensPerSecond = (1000 * tokens) / (performance.now() - began);
  return { loss, entropy, gradNorm, learningRate, learningTokensPerSecond };
}

/** Measures the held-out rows, and puts what they show into the metrics. */
async function evaluate(run: OpenSft, lessons: NextToken): Promise<HeldOutLoss> {
  const { heldOut, progress, folder, step } = run;
  progress.activity(`evaluating step ${step}`);
  const { loss, accuracy, tokens } = await lessons.measure(heldOut);
  const figures = { loss, tokenAccuracy: accuracy };
  folder.appendEvaluation(step, { examples: heldOut.length, tokens, figures });
  return { heldOutLoss: loss, tokenAccuracy: accuracy };
}

const described = ({ heldOutLoss, tokenAccuracy }: HeldOutLoss) =>
  `loss ${heldOutLoss.toFixed(4)}, ${(100 * tokenAccuracy).toFixed(1)} % of the tokens the likeliest`;

function lossTable(rows: number, before: HeldOutLoss | null, after: HeldOutLoss): CardTable {
  const row = (name: string, { heldOutLoss, tokenAccuracy }: HeldOutLoss) =>
    [name, heldOutLoss, tokenAccuracy] as const;
  return {
    title: `${rows} rows`,
    columns: ["loss", "share of the tokens that are the likeliest"],
    rows: [...(before ? [row("base", before)] : []), row("trained", after)],
  };
}

/** @param now what the held-out rows show of this step */
async function save(run: OpenSft, now: HeldOutLoss | null): Promise<void> {
  const { model, policy, folder, step, state, settings } = run;
  run.progress.activity(`saving checkpoint-${step}`);
  const heldOut = now && lossTable(run.heldOut.length, state.before, now);
  const rows = run.examples.length;
  const { lora } = policy;
  const card = modelCard({ ...run, run: folder.path, lora, method: "sft", rows, heldOut });
  await saveCheckpoint<SftState>(folder.path, step, {
    model,
    lora,
    card,
    weights: policy.weightSources(),
    optimizer: policy.momentSources(),
    state,
  });
  pruneCheckpoints(folder.path, { limit: settings.saveTotalLimit, every: settings.saveSteps });
}

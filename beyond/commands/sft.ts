import { NotFiniteError, UserError } from "../../lib/errors.ts";
import { PackedBatch } from "../../lib/model/packing.ts";
import { learningRateAt } from "../../lib/model/schedule.ts";
import { drawQuestions, Random } from "../../lib/random.ts";
import { readSftRows, type SftRow, usableRows } from "../datasets/rows.ts";
import type { Prompter } from "../models/chat.ts";
import { type EndTokens, endTokens } from "../models/end-tokens.ts";
import { type Example, encodeLesson, taughtEnd } from "../models/lesson.ts";
import { openNamedModel, prompterOf, requireWhole } from "../opening/named-model.ts";
import { explainNotFinite } from "../opening/not-finite.ts";
import { openPolicy } from "../opening/open-policy.ts";
import { closeGpu, type OpenPolicy } from "../opening/policy.ts";
import { saveCheckpoint } from "../runs/checkpoint.ts";
import { RunFolder } from "../runs/folder.ts";
import { runConfig } from "../runs/versions.ts";
import { loraOf } from "../settings/shared.ts";
import { storedSettings } from "../settings/stored.ts";
import type { SftSettings } from "../settings/training.ts";
import { Progress } from "../terminal/progress.ts";

/** Standard deviation of freshly drawn matrices; norms start at 1. */
const INITIAL_STD = 0.05;

/**
 * `rlexplore sft`: next-token training on what completions, or the assistant's turns of conversations, say, with the loss
 *
 *     -1/M sum over the step's M completion tokens of log p(token | what precedes it).
 *
 * @returns the folder of the finished model
 */
export async function sft(settings: SftSettings, signal?: AbortSignal): Promise<string> {
  const data = await readSftRows(settings.data, settings);
  const rowsPerEpoch = data.rows.length / settings.rowsPerStep;
  const maxSteps = settings.maxSteps ?? Math.ceil(settings.numTrainEpochs * rowsPerEpoch);
  const progress = new Progress({ total: maxSteps, ...settings });
  const note = (text: string) => progress.note(text);
  const rows = usableRows(data, note);

  RunFolder.requireFree(settings.outputDir);
  const model = await openNamedModel(settings.model, { weights: !settings.fromScratch });
  requireWhole(settings.model, model);
  const prompter = prompterOf(model, settings, note);
  const context = model.config.maxPositionEmbeddings;
  const ends = endTokens(model, prompter.tokenizer);
  const examples = rows.map((row) => encodeRow(prompter, row, ends, settings, context));
  if (ends.ids.length > 1) {
    const taught = prompter.tokenizer.decode([taughtEnd(prompter, ends)], true);
    note(`of these, ${taught} is taught, where a row does not end with one`);
  }
  const learning = {
    microBatchTokens: settings.microBatchTokens,
    longestSequence: examples.flat().reduce((most, one) => Math.max(most, lengthOf(one)), 1),
    optimizer: settings,
    reference: false,
    gradientCheckpointing: settings.gradientCheckpointing,
    lora: loraOf(settings),
    seed: settings.seed,
  };
  const policy = await openPolicy(settings, model, { learning }, { note, describe: note });
  if (settings.fromScratch) drawWeights(policy, settings.seed);
  const run = RunFolder.create(settings.outputDir, settings.data);
  run.writeConfig(runConfig(storedSettings({ ...settings, maxSteps }), policy));

  const batch = new PackedBatch(settings.microBatchTokens);
  const logprobs = new Float32Array(settings.microBatchTokens);
  const entropies = new Float32Array(settings.microBatchTokens);
  const dLogprobs = new Float32Array(settings.microBatchTokens);
  const { gpu, weights, trained, gradients, trainingPass, optimizer } = policy;

  const save = (step: number) =>
    saveCheckpoint(run.path, step, {
      model,
      lora: policy.lora,
      weights: policy.weightSources(),
      optimizer: policy.momentSources(),
      state: {},
    });

  let step = 0;
  signal?.addEventListener("abort", () =>
    progress.note("stopping after this step; Ctrl-C again stops at once"),
  );
  progress.start();
  while (step < maxSteps && !signal?.aborted) {
    const first = step * settings.rowsPerStep;
    const drawn = drawQuestions(settings.seed, first, settings.rowsPerStep, examples.length);
    const began = performance.now();
    let targets = 0;
    const taught = drawn.flatMap((i) => examples[i]);
    for (const { completion } of taught) targets += completion.length;
    let loss = 0;
    let entropy = 0;
    gradients.clear(gpu);
    const learnBatch = async () => {
      await trainingPass.logprobs(weights, batch, 1, logprobs, entropies);
      for (let m = 0; m < batch.predictions; m++) {
        loss -= logprobs[m] / targets;
        entropy += entropies[m] / targets;
      }
      dLogprobs.fill(-1 / targets, 0, batch.predictions);
      trainingPass.backward(weights, gradients, batch, 1, dLogprobs);
      batch.clear();
    };
    for (const { prompt, completion } of taught) {
      if (!batch.fits(prompt.length, [completion.length])) await learnBatch();
      batch.add(prompt, [completion]);
    }
    await learnBatch();

    const rate = learningRateAt(step, {
      learningRate: settings.learningRate,
      warmupSteps: settings.warmupSteps,
      maxSteps,
      schedule: settings.lrSchedulerType,
    });
    step++;
    const gradNorm = await optimizer.update(trained, gradients, rate, step);
    if (gradNorm === null || !Number.isFinite(loss)) {
      const circumstances = { ...settings, updates: step - 1, when: `in step ${step}` };
      throw explainNotFinite(new NotFiniteError("loss"), {
        ...circumstances,
        kept: "the last checkpoint is untouched",
      });
    }
    const seconds = (performance.now() - began) / 1000;
    const learningTokensPerSecond = targets / seconds;
    const metrics = { loss, entropy, gradNorm, learningRate: rate, learningTokensPerSecond };
    run.appendMetrics({ step, ...metrics });
    progress.step(step, metrics);
    if (step % settings.saveSteps === 0 && step < maxSteps) await save(step);
  }
  const path = await save(step);
  progress.end();
  progress.result("saved", { path }, `${step} steps done; the model is in ${path}`);
  await closeGpu(gpu);
  return path;
}

/** The lessons of a row as tokens. */
function encodeRow(
  prompter: Prompter,
  { lessons, line }: SftRow,
  ends: EndTokens,
  settings: SftSettings,
  context: number,
): Example[] {
  const where = `${settings.data}:${line}`;
  return lessons.map((lesson) => {
    const example = encodeLesson(prompter, lesson, ends, where);
    const tokens = lengthOf(example);
    if (tokens > settings.microBatchTokens) {
      throw new UserError(
        `${where}: ${tokens} tokens exceed --micro-batch-tokens ${settings.microBatchTokens}; raise it or shorten the row`,
      );
    }
    if (tokens > context) {
      throw new UserError(
        `${where}: ${tokens} tokens exceed the model's context of ${context}; shorten the row`,
      );
    }
    return example;
  });
}

const lengthOf = ({ prompt, completion }: Example) => prompt.length + completion.length;

/** Normal weights of standard deviation 0.05 for the matrices, ones for the norms, zeros for biases. */
function drawWeights(policy: OpenPolicy, seed: number): void {
  const { gpu, trained: weights } = policy;
  const random = new Random(seed);
  for (const [name, shape] of weights.layout.shapes) {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
    if (shape.length === 1) data.fill(name.endsWith(".bias") ? 0 : 1);
    else for (let i = 0; i < data.length; i++) data[i] = INITIAL_STD * random.gaussian();
    weights.set(gpu, name, data);
  }
  policy.refresh();
}

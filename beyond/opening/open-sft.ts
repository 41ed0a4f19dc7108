import { z } from "zod";
import { sha256 } from "#platform/hash.ts";
import { UserError } from "../../lib/errors.ts";
import { Random } from "../../lib/random.ts";
import { nameOf, readSftRows, type SftRow, usableRows } from "../datasets/rows.ts";
import type { LoraModel } from "../lora/peft.ts";
import type { Prompter } from "../models/chat.ts";
import { type EndTokens, endTokens } from "../models/end-tokens.ts";
import { type Example, encodeLesson, taughtEnd } from "../models/lesson.ts";
import { latestCheckpoint, sweepCheckpoints } from "../runs/checkpoint.ts";
import { modelPath, RunFolder } from "../runs/folder.ts";
import { RunLock } from "../runs/lock.ts";
import { originsOf, requireSameOrigins } from "../runs/origins.ts";
import { runConfig } from "../runs/versions.ts";
import { loraOf } from "../settings/shared.ts";
import { storedSettings } from "../settings/stored.ts";
import type { SftSettings } from "../settings/training.ts";
import { Progress } from "../terminal/progress.ts";
import { noteAdapter, noteJump, noteOtherGpu, requireAhead } from "./going-on.ts";
import { openNamedModel, prompterOf } from "./named-model.ts";
import { openPolicy } from "./open-policy.ts";
import type { OpenPolicy } from "./policy.ts";
import { openData } from "./questions.ts";

/** Standard deviation of freshly drawn matrices; norms start at 1. */
const INITIAL_STD = 0.05;

/** What a held-out file showed. */
const HeldOutLoss = z.object({ heldOutLoss: z.number(), tokenAccuracy: z.number() });
export type HeldOutLoss = z.infer<typeof HeldOutLoss>;

/** What a resumed run needs beside weights and moments. */
export const SftState = z.object({
  /** Of the model that the run started from. */
  before: HeldOutLoss.nullable().default(null),
  /** Which held-out examples that is of, by hash. */
  heldOut: z.string().nullable().default(null),
});
export type SftState = z.infer<typeof SftState>;

/** Everything that `sft` works with. */
export interface OpenSft {
  settings: SftSettings & { maxSteps: number };
  model: LoraModel;
  policy: OpenPolicy;
  /** What each row teaches. */
  examples: readonly Example[][];
  heldOut: readonly Example[];
  folder: RunFolder;
  lock: RunLock;
  progress: Progress;
  /** Steps done. */
  step: number;
  state: SftState;
}

/**
 * Reads the data, opens model and GPU, and takes up a run where its last checkpoint left it. What is wrong with
 * data or settings is found before anything is written or allocated.
 */
export async function openSft(given: SftSettings): Promise<OpenSft> {
  const notes: string[] = [];
  const noteLater = (text: string) => notes.push(text);
  const source = await openData(given.data, given);
  const rows = usableRows(await readSftRows(source, given), noteLater);
  const evalSource = given.evalFile === null ? null : await readSftRows(given.evalFile, given);
  const epochs = (given.numTrainEpochs * rows.length) / given.rowsPerStep;
  const settings = { ...given, maxSteps: given.maxSteps ?? Math.ceil(epochs) };
  const progress = new Progress({ total: settings.maxSteps, ...settings });
  const note = (text: string) => progress.note(text);
  for (const text of notes) note(text);

  if (!given.resume) RunFolder.requireFree(given.outputDir);
  const model = await openNamedModel(given.model, { weights: !given.fromScratch });
  noteAdapter(given.model, model, note);
  const prompter = prompterOf(model, given, note);
  const ends = endTokens(model, prompter.tokenizer);
  const context = model.config.maxPositionEmbeddings;
  const encode = (row: SftRow, name: string) =>
    encodeRow(prompter, row, ends, { name, context, most: given.microBatchTokens });
  const examples = rows.map((row) => encode(row, nameOf(source)));
  const heldOut = (evalSource ? usableRows(evalSource, note) : []).flatMap((row) =>
    encode(row, given.evalFile ?? ""),
  );
  if (ends.ids.length > 1) {
    const taught = prompter.tokenizer.decode([taughtEnd(prompter, ends)], true);
    note(`of these, ${taught} is taught, where a row does not end with one`);
  }

  const begun = given.resume ? RunFolder.open(given.resume) : undefined;
  const config = begun?.readConfig<SftSettings & { maxSteps: number }>();
  const data = { hash: () => hashOf(rows.map(({ lessons }) => lessons)), length: rows.length };
  const origins = await originsOf(data, model, {});
  if (config) requireSameOrigins(config.origins, origins, given, note);
  const learning = {
    microBatchTokens: settings.microBatchTokens,
    longestSequence: [...examples.flat(), ...heldOut].reduce(
      (most, one) => Math.max(most, lengthOf(one)),
      1,
    ),
    optimizer: settings,
    reference: false,
    gradientCheckpointing: settings.gradientCheckpointing,
    lora: loraOf(settings),
    seed: settings.seed,
  };
  const policy = await openPolicy(settings, model, { learning }, { note, describe: note }, config);
  noteOtherGpu(config, policy, note);

  const folder = begun ?? RunFolder.create(settings.outputDir, settings.data);
  progress.follow((activity, left) => folder.tell(activity, left));
  const checkpoint = begun ? await latestCheckpoint(folder.path, SftState.parse) : null;
  const step = checkpoint?.step ?? 0;
  requireAhead(folder.path, step, settings.maxSteps);
  const lock = new RunLock(folder.ledgerPath);
  sweepCheckpoints(folder.path);
  folder.removeMetricsAfter(step);
  if (settings.tensorboard) folder.openEvents(step);
  // a run that is the model here may go on, and its newest checkpoint be another one
  const stored = storedSettings({ ...settings, model: modelPath(settings.model) });
  folder.writeConfig(runConfig(stored, policy, origins));
  if (checkpoint) {
    await policy.load(policy.trained, checkpoint.tensors);
    await policy.loadMoments(checkpoint.optimizer);
    note(`resumed after step ${step}`);
  } else if (settings.fromScratch) drawWeights(policy, settings.seed);
  if (checkpoint && config) noteJump(scheduled(config.settings), scheduled(settings), step, note);
  const heldOutHash = heldOut.length > 0 ? hashOf(heldOut) : null;
  const isSame = checkpoint?.state.heldOut === heldOutHash;
  const before = isSame ? (checkpoint?.state.before ?? null) : null;
  const state = { before, heldOut: heldOutHash };
  return { settings, model, policy, examples, heldOut, folder, lock, progress, step, state };
}

/** The learning rate's settings as `train` has them, of a step with one update. */
export const scheduled = (settings: OpenSft["settings"]) => ({
  ...settings,
  numIterations: 1,
  stepsPerGeneration: 1,
});

const hashOf = (value: unknown) => sha256().update(JSON.stringify(value)).digest();

/** The lessons of a row as tokens. */
function encodeRow(
  prompter: Prompter,
  { lessons, line }: SftRow,
  ends: EndTokens,
  { name, context, most }: { name: string; context: number; most: number },
): Example[] {
  const where = `${name}:${line}`;
  return lessons.map((lesson) => {
    const example = encodeLesson(prompter, lesson, ends, where);
    const tokens = lengthOf(example);
    if (tokens > most) {
      throw new UserError(
        `${where}: ${tokens} tokens exceed --micro-batch-tokens ${most}; raise it or shorten the row`,
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

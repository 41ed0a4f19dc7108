import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { fileBlob } from "#platform/files.ts";
import { NotFiniteError, UserError } from "../../lib/errors.ts";
import type { LoraConfig } from "../lora/lora.ts";
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, isLora, loraConfigText } from "../lora/peft.ts";
import { CARD } from "../models/card.ts";
import {
  descriptionFiles,
  type ModelDescription,
  openModelFolder,
  WEIGHTS,
} from "../models/folder.ts";
import {
  type AnyTensorSource,
  encodeSafetensors,
  notFinite,
  openSafetensors,
  type StoredTensor,
  type TensorSource,
} from "../models/safetensors.ts";
import {
  diskError,
  type FileCheck,
  isIntact,
  syncFolder,
  writeDurably,
} from "../platform/files.ts";
import { sealed, unsealed } from "./sealed.ts";

/**
 * Where a checkpoint keeps what only training reads. Programs that open models take every `*.safetensors`
 * of a folder for its weights (vLLM, SGLang), and never look into a folder within.
 */
const TRAINER = "trainer";
const OPTIMIZER = "optimizer.safetensors";
const STATE = "trainer_state.json";

/** What a checkpoint is made of. */
export interface CheckpointContents<State> {
  model: ModelDescription;
  /** With LoRA that alone is written, in PEFT's format: for `base`, a model's path. */
  lora?: { config: LoraConfig; base: string };
  weights: readonly TensorSource[];
  /** The text of the model card. */
  card?: string;
  /** The moments of AdamW. */
  optimizer: readonly AnyTensorSource[];
  /** What the trainer needs beside the weights to go on; plain JSON. */
  state: State;
}

/** A checkpoint read back: the tensors that were trained, the optimizer's, and the trainer's state. */
export interface Checkpoint<State> {
  step: number;
  tensors: Map<string, StoredTensor>;
  optimizer: Map<string, StoredTensor>;
  state: State;
}

export const checkpointPath = (run: string, step: number) => join(run, `checkpoint-${step}`);

/**
 * Writes `checkpoint-<step>`: an ordinary Hugging Face model folder (or PEFT's, with an adapter), with the
 * optimizer and the trainer's state in its folder `trainer`. It is written under another name and renamed when
 * it is whole, so that a run that is killed, or a disk that fills up, never leaves half a checkpoint or costs
 * an older one.
 */
export async function saveCheckpoint<State extends object>(
  run: string,
  step: number,
  { model, lora, weights, card, optimizer, state }: CheckpointContents<State>,
): Promise<string> {
  const path = checkpointPath(run, step);
  const partial = `${path}.partial`;
  const files: Record<string, FileCheck> = {};
  const write = async (name: string, pieces: Parameters<typeof writeDurably>[1]) => {
    files[name] = await writeDurably(join(partial, name), pieces);
  };
  try {
    rmSync(partial, { recursive: true, force: true });
    mkdirSync(join(partial, TRAINER), { recursive: true });
    const described = lora
      ? { ...model.files, [ADAPTER_CONFIG]: loraConfigText(lora.config, lora.base) }
      : descriptionFiles(model);
    for (const [name, content] of Object.entries(described)) {
      await write(name, [await new Blob([content]).bytes()]);
    }
    await write(lora ? ADAPTER_WEIGHTS : WEIGHTS, encodeSafetensors(weights.map(finite)));
    await write(`${TRAINER}/${OPTIMIZER}`, encodeSafetensors(optimizer));
    // without a checksum, for it may be written on
    if (card) await writeDurably(join(partial, CARD), [new TextEncoder().encode(card)]);
    const trainer = new TextEncoder().encode(sealed({ step, state, files }));
    await writeDurably(join(partial, TRAINER, STATE), [trainer]);
    syncFolder(join(partial, TRAINER));
    syncFolder(partial);
    remove(path);
    renameSync(partial, path);
    // older ones may go only when this one is sure to stay
    syncFolder(run);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    throw diskError(error, path);
  }
  return path;
}

/** The same tensor, of which NaN and infinity are not written. */
const finite = (tensor: TensorSource): TensorSource => ({
  ...tensor,
  async data() {
    const values = await tensor.data();
    if (notFinite(values) === undefined) return values;
    throw new NotFiniteError("weights");
  },
});

/** The steps of the run's checkpoints, ascending. */
export function checkpointSteps(run: string): number[] {
  try {
    const steps = readdirSync(run).flatMap((name) => /^checkpoint-(\d+)$/.exec(name)?.[1] ?? []);
    return steps.map(Number).sort((a, b) => a - b);
  } catch (error) {
    throw diskError(error, run);
  }
}

/** The trainer's state as it stands in its file; checkpoints of version 0.1.0 have no `check` of it. */
const Stored = z.object({
  step: z.int(),
  state: z.unknown(),
  files: z.record(z.string(), z.object({ bytes: z.int(), crc32: z.int() })),
});

/**
 * Opens the newest checkpoint of a run, null when there is none yet. Every file is read once and compared
 * with the checksum it was written with.
 * @param readState throws where the trainer's state is none
 */
export async function latestCheckpoint<State>(
  run: string,
  readState: (state: unknown) => State,
): Promise<Checkpoint<State> | null> {
  const [step, before] = checkpointSteps(run).reverse();
  if (step === undefined) return null;
  const path = checkpointPath(run, step);
  const damaged = (name: string) => {
    const next = before === undefined ? "start again" : `go on from step ${before}`;
    return new UserError(`${join(path, name)} is corrupt or truncated; delete ${path} to ${next}`);
  };
  // version 0.1.0 kept what is the trainer's among the model's files
  const within = existsSync(join(path, STATE)) ? "" : `${TRAINER}/`;
  const stateFile = within + STATE;
  const optimizer = within + OPTIMIZER;
  const stored = readStored(join(path, stateFile), readState) ?? fail(damaged(stateFile));
  const { files, state } = stored;
  if (stored.step !== step) {
    throw new UserError(
      `${path} is the checkpoint of step ${stored.step} under another name; call it checkpoint-${stored.step} again`,
    );
  }
  if (!(files[WEIGHTS] ?? files[ADAPTER_WEIGHTS]) || !files[optimizer]) {
    throw damaged(stateFile);
  }
  for (const [name, check] of Object.entries(files)) {
    const found = existsSync(join(path, name)) && (await isIntact(join(path, name), check));
    if (!found) throw damaged(name);
  }
  const open = (name: string) => openSafetensors(fileBlob(join(path, name)), join(path, name));
  const tensors = isLora(path)
    ? await open(ADAPTER_WEIGHTS)
    : (await openModelFolder(path)).tensors;
  return { step, tensors, optimizer: await open(optimizer), state };
}

/** What the file of the trainer's state says; null if it is not what was written. */
function readStored<State>(file: string, readState: (state: unknown) => State) {
  try {
    const stored = Stored.parse(unsealed(readFileSync(file, "utf8")));
    return { ...stored, state: readState(stored.state) };
  } catch {
    return null;
  }
}

function fail(error: Error): never {
  throw error;
}

/** Deletes a checkpoint. It is renamed first, so that a kill leaves no half of one under its name. */
function remove(path: string): void {
  if (!existsSync(path)) return;
  const doomed = `${path}.old.partial`;
  rmSync(doomed, { recursive: true, force: true });
  renameSync(path, doomed);
  rmSync(doomed, { recursive: true, force: true });
}

/**
 * Deletes all but `limit` checkpoints and those of the steps in `keep`, such as the best, and what a killed
 * run left half written or half deleted. What is not a multiple of `every`, saved because the run was
 * stopped there, goes before the oldest: a run that was interrupted keeps what it would have kept.
 */
export function pruneCheckpoints(
  run: string,
  { limit, every, keep = [] }: { limit: number; every: number; keep?: readonly number[] },
) {
  const steps = checkpointSteps(run);
  const older = steps.slice(0, -1);
  const planned = older.filter((step) => step % every === 0);
  const between = older.filter((step) => step % every !== 0);
  const doomed = [...between, ...planned].slice(0, Math.max(0, steps.length - limit));
  for (const step of doomed.filter((step) => !keep.includes(step)))
    remove(checkpointPath(run, step));
  sweepCheckpoints(run);
}

/** Deletes what a killed run left half written or half deleted. */
export function sweepCheckpoints(run: string) {
  for (const name of readdirSync(run)) {
    if (!/^checkpoint-\d+(\.old)?\.partial$/.test(name)) continue;
    rmSync(join(run, name), { recursive: true, force: true });
  }
}

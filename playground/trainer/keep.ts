/** What a run needs to go on later: both ways between a trainee and bytes. */
import {
  encodeSafetensors,
  openSafetensors,
  type TensorSource,
  tensorSources,
} from "../../beyond/models/safetensors.ts";
import { OutcomeCounter } from "../../lib/explore/counter.ts";
import type { TrainingState } from "../../lib/train.ts";
import type { KeptSide } from "../messages.ts";
import type { Trainee } from "./trainee.ts";
import type { LearningPolicy, Workshop } from "./workshop.ts";

/** What both moments are called in a checkpoint's file of them. */
const MOMENTS = ["first.", "second."];

/** A file of safetensors in memory. */
export async function bytesOf(sources: readonly TensorSource[]): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of encodeSafetensors(sources)) pieces.push(piece.slice());
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

export async function kept({ gpu }: Workshop, { policy, state }: Trainee): Promise<KeptSide> {
  const { step, drawn, updates, counter, solved } = state;
  const moments = policy.moments.flatMap((slabs, i) => tensorSources(gpu, slabs, MOMENTS[i]));
  return {
    weights: await bytesOf(tensorSources(gpu, policy.weights)),
    optimizer: await bytesOf(moments),
    step,
    drawn,
    updates,
    counts: [...counter],
    solved: [...solved],
  };
}

/** Makes a policy what it was when it was kept. @returns how far its training had come */
export async function bringBack(
  workshop: Workshop,
  { weights, moments }: LearningPolicy,
  kept: KeptSide,
): Promise<TrainingState> {
  const open = (bytes: Uint8Array<ArrayBuffer>) =>
    openSafetensors(new Blob([bytes]), "the run that was kept");
  await workshop.load(weights, await open(kept.weights));
  const both = await open(kept.optimizer);
  for (const [i, slabs] of moments.entries()) await workshop.load(slabs, both, MOMENTS[i]);
  const counter = new OutcomeCounter();
  for (const count of kept.counts) counter.addCount(...count);
  const { step, drawn, updates, solved } = kept;
  return { step, drawn, updates, counter, solved: new Set(solved) };
}

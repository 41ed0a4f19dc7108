import type { HeadShape } from "../../lib/model/ops/heads.ts";
import type { Dtype } from "../storage/precision.ts";
import { ATTENTION_FAMILIES, attentionFamily } from "./attention-families.ts";
import { runsOn, type SubgroupDevice, type SubgroupMatrix } from "./subgroups.ts";
import type { TuningTable, Variants } from "./variants.ts";

/** What the order of attention's sums may depend on; `dtype` is that of q, k and v. */
export interface AttentionShape extends HeadShape {
  readonly dtype: Dtype;
}

/** One way to compute attention; the memory of its tiles sets their blocks, and so their bits. */
export type AttentionChoice = Pick<Variants, "attention" | "attentionMemory">;

/** What a shape is called in tables: `attention 9x3x64 f32`. */
export const attentionKey = ({ heads, kvHeads, headDim, dtype }: AttentionShape) =>
  `attention ${heads}x${kvHeads}x${headDim} ${dtype}`;

/** A choice as tables have it: `plain`, `subgroup`, `tiled 16384` or `matrix 16384`. */
export const formatAttention = ({ attention, attentionMemory }: AttentionChoice) =>
  attentionFamily(attention).hasMemory ? `${attention} ${attentionMemory}` : attention;

/** Reads what `formatAttention` wrote; undefined if it is nothing of the kind. */
export function parseAttention(text: string): Partial<AttentionChoice> | undefined {
  const [, name, memory] = /^(\w+)(?: (\d+))?$/.exec(text) ?? [];
  const family = ATTENTION_FAMILIES.find((family) => family.name === name);
  if (!family || (family.hasMemory ?? false) !== (memory !== undefined)) return undefined;
  return { attention: family.name, ...(memory && { attentionMemory: Number(memory) }) };
}

/** Whether an adapter can compute attention in this way at all. */
export const attentionRunsOn = (
  gpu: SubgroupDevice,
  { attention = "plain", attentionMemory = 0 }: Partial<AttentionChoice>,
): boolean =>
  runsOn(gpu, attentionFamily(attention)) &&
  attentionMemory <= gpu.device.limits.maxComputeWorkgroupStorageSize;

/** How attention of a shape is computed on an adapter with these variants. */
export const attentionChoice = (
  variants: AttentionChoice & { tuned: TuningTable },
  shape: AttentionShape,
): AttentionChoice => ({
  attention: variants.attention,
  attentionMemory: variants.attentionMemory,
  ...parseAttention(variants.tuned[attentionKey(shape)] ?? ""),
});

/**
 * All ways to compute it with heads of `headDim` where workgroups have `limit` bytes of memory; `matrices` are the
 * adapter's for q, k and v in f16.
 */
export function attentionChoices(
  headDim: number,
  limit: number,
  matrices: SubgroupMatrix | null = null,
): AttentionChoice[] {
  const [plain, ...others] = ATTENTION_FAMILIES;
  // the most particular first: a search may run out of time
  return [plain, ...others.toReversed()].flatMap((family) =>
    family
      .memories(headDim, limit, matrices)
      .map((attentionMemory) => ({ attention: family.name, attentionMemory })),
  );
}

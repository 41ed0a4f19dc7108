import type { HeadShape } from "../../lib/model/ops/heads.ts";
import type { SystemGpu } from "../platform/gpu.ts";
import type { Dtype } from "../storage/precision.ts";
import { matrixConstants } from "./attention-matrix.ts";
import { attentionTile, type TiledEntry } from "./attention-tiled.ts";
import type { SubgroupMatrix, TuningTable, Variants } from "./variants.ts";

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
  attention === "tiled" || attention === "matrix" ? `${attention} ${attentionMemory}` : attention;

/** Reads what `formatAttention` wrote; undefined if it is nothing of the kind. */
export function parseAttention(text: string): Partial<AttentionChoice> | undefined {
  if (text === "plain" || text === "subgroup") return { attention: text };
  const [, name, memory] = /^(tiled|matrix) (\d+)$/.exec(text) ?? [];
  if (memory === undefined) return undefined;
  return { attention: name === "matrix" ? "matrix" : "tiled", attentionMemory: Number(memory) };
}

/** Whether an adapter can compute attention in this way at all. */
export function attentionRunsOn(
  { device, variants }: Pick<SystemGpu, "device" | "variants">,
  { attention, attentionMemory = 0 }: Partial<AttentionChoice>,
): boolean {
  if (attention === "subgroup") return device.features.has("subgroups");
  if (attention === "matrix" && !variants.subgroupMatrix) return false;
  return attentionMemory <= device.limits.maxComputeWorkgroupStorageSize;
}

/** How attention of a shape is computed on an adapter with these variants. */
export const attentionChoice = (
  variants: AttentionChoice & { tuned: TuningTable },
  shape: AttentionShape,
): AttentionChoice => ({
  attention: variants.attention,
  attentionMemory: variants.attentionMemory,
  ...parseAttention(variants.tuned[attentionKey(shape)] ?? ""),
});

const ENTRIES: readonly TiledEntry[] = ["forward", "backward_query", "backward_key"];
const MEMORIES = [16_384, 32_768, 49_152];

/**
 * All ways to compute it with heads of `headDim` where workgroups have `limit` bytes of memory; `matrices` are the
 * adapter's for q, k and v in f16.
 */
export function attentionChoices(
  headDim: number,
  limit: number,
  matrices: SubgroupMatrix | null = null,
): AttentionChoice[] {
  const choices: AttentionChoice[] = [{ attention: "plain", attentionMemory: MEMORIES[0] }];
  if (matrices && matrixConstants(headDim, matrices)) {
    choices.push({ attention: "matrix", attentionMemory: MEMORIES[0] });
  }
  const seen = new Set<string>();
  for (const attentionMemory of MEMORIES.filter((memory) => memory <= limit)) {
    const tiles = ENTRIES.map((entry) => attentionTile(entry, headDim, attentionMemory));
    const key = JSON.stringify(tiles);
    if (!seen.has(key)) choices.push({ attention: "tiled", attentionMemory });
    seen.add(key);
  }
  return choices;
}

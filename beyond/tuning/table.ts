import {
  attentionChoice,
  attentionKey,
  attentionRunsOn,
  formatAttention,
  parseAttention,
} from "../kernels/attention-choice.ts";
import { tilesOn } from "../kernels/matmul-families.ts";
import { formatChoice, matmulChoice, parseChoice, shapeKey } from "../kernels/matmuls.ts";
import type { TuningTable } from "../kernels/variants.ts";
import type { SystemGpu } from "../platform/gpu.ts";
import type { KernelShapes } from "./kernel-shapes.ts";

export const isAttention = (key: string) => key.startsWith("attention ");

/** The entries of a table, read from a file, that name kernels there are and a device can run. */
export function knownChoices(table: unknown, gpu: SystemGpu): TuningTable {
  const isKnown = (key: string, text: string) => {
    if (isAttention(key)) {
      const choice = parseAttention(text);
      return choice && attentionRunsOn(gpu, choice);
    }
    const choice = parseChoice(text);
    if (!choice) return false;
    const runnable = tilesOn(gpu, choice.family);
    return choice.tiles.every((tile) => runnable.includes(tile));
  };
  const entries = Object.entries(table ?? {}).filter(
    ([key, text]) => typeof text === "string" && isKnown(key, text),
  );
  return Object.fromEntries(entries);
}

/** What is in force for each shape: built-in kernels where a table says nothing. */
export function tableOf(
  gpu: SystemGpu,
  { products, attention }: KernelShapes,
  table: TuningTable,
): TuningTable {
  const variants = { ...gpu.variants, tuned: table };
  const entries = products.map((shape) => [
    shapeKey(shape),
    formatChoice(matmulChoice(variants, shape)),
  ]);
  entries.push([attentionKey(attention), formatAttention(attentionChoice(variants, attention))]);
  return Object.fromEntries(entries);
}

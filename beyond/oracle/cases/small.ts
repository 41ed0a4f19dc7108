/** What the self-test runs: every kernel, at small ragged shapes. */
import type { Dtype } from "../../storage/precision.ts";
import { FROZEN_FORMATS } from "../../storage/weight-formats.ts";
import { Random } from "../random.ts";
import { adamw, round } from "./adamw.ts";
import { adamw8 } from "./adamw8.ts";
import { attention, rope, type SpanCase, splitAttention } from "./attention.ts";
import type { KernelCase } from "./case.ts";
import { headNorm, rmsnorm, swiglu } from "./layer.ts";
import { lora } from "./lora.ts";
import {
  bias,
  frozen,
  gather,
  linearAdd,
  linearBackward,
  linearForward,
  linearSwiglu,
} from "./matrix.ts";
import { logprob, pick, sample } from "./vocabulary.ts";

/** Products whose rows of W lie in blocks of 20. */
const linear = { T: 37, K: 36, N: 43, blockRows: 20 };

/** Every kernel, with activations in f32. */
export function smallCases(headDim: number): KernelCase[] {
  const vocabulary = 67;
  const keys = Array.from({ length: 19 }, (_, row) => ({
    seed: [1, 2] as const,
    step: 3,
    slot: row >> 2,
    sample: row & 3,
    position: row,
  }));
  const logits = new Random(10).normal(keys.length * vocabulary, 2);
  const sampling = { temperature: 0.9, topK: 40, topP: 0.95, minP: 0.01 };
  return [
    linearForward(linear),
    linearForward(linear, "residual"),
    linearForward(linear, "bias"),
    linearSwiglu({ T: 37, K: 36, N: 44 }),
    linearAdd({ T: 37, K: 8, N: 44 }, 60, 12),
    linearBackward(linear),
    lora({ T: 37, K: 64, N: 44, rank: 12 }),
    ...FROZEN_FORMATS.flatMap((format) => frozen({ T: 37, K: 96, N: 43, blockRows: 20, format })),
    bias({ T: 131, N: 20 }),
    ...rmsnorm({ T: 131, d: 20 }),
    ...headNorm({ T: 67, d: 8 }, { heads: 2, stride: 32, first: 12 }),
    ...rope(packedHeads(headDim)),
    ...rope(longCaches(headDim)),
    ...attention(packedHeads(headDim)),
    ...attention({ ...packedHeads(headDim), window: 3 }),
    ...attention(longCaches(headDim), { isDecoding: true }),
    splitAttention(longCaches(headDim)),
    ...swiglu({ T: 9, ff: 20 }),
    ...gather({ rows: 23, d: 12, M: 31, blockRows: 8, scale: 2.5 }),
    ...logprob({ M: 19, V: vocabulary, block: 24 }),
    sample(logits, keys, sampling),
    pick(Uint32Array.of(4, 0, 2, 4, 1), Uint32Array.of(11, 7, 5, 3, 2)),
    adamw([2500, 70], 1),
    adamw([70], 1, { copy: "f32" }),
    round(70, "f32"),
    adamw8(1300, 1),
  ];
}

/** Every kernel that activations in f16 pass through; `factors` as in `attention`. */
export function halfCases(headDim: number, factors: Dtype): KernelCase[] {
  const dtypes = { x: "f16", y: "f16" } as const;
  return [
    linearForward({ ...linear, ...dtypes }),
    linearForward({ ...linear, ...dtypes }, "bias"),
    linearForward({ ...linear, x: "f16" }, "residual"),
    linearSwiglu({ T: 37, K: 36, N: 44, ...dtypes }),
    linearAdd({ T: 37, K: 8, N: 44, y: "f16" }, 60, 12),
    linearBackward({ ...linear, x: "f16" }),
    ...rmsnorm({ T: 131, d: 20 }, "f16").slice(0, 1),
    ...headNorm({ T: 67, d: 8 }, { heads: 2, stride: 32, first: 12 }, "f16"),
    ...rope(packedHeads(headDim), "f16"),
    ...attention(packedHeads(headDim), { dtype: "f16", factors }),
    ...attention(longCaches(headDim), { dtype: "f16", isDecoding: true }),
    splitAttention(longCaches(headDim), "f16"),
    ...swiglu({ T: 9, ff: 20 }, { dtype: "f16" }),
    round(2500, "f16"),
    adamw([2500, 70], 1, { copy: "f16" }),
  ];
}

/** Products by subgroup matrices: every row class and format. */
export function matrixCases(): KernelCase[] {
  const dtypes = { x: "f16", y: "f16" } as const;
  const shape = { K: 96, N: 71, blockRows: 40, ...dtypes };
  const rounded = { K: 96, ...dtypes, format: "f16", dy: "f16" } as const;
  return [
    ...[1, 37, 70, 261].map((T) => linearForward({ ...shape, T, format: "f16" })),
    ...FROZEN_FORMATS.map((format) => linearForward({ ...shape, T: 8, format }, "bias")),
    linearForward({ ...shape, T: 8, y: "f32", format: "f16" }, "residual"),
    linearSwiglu({ T: 8, K: 96, N: 72, ...dtypes, format: "f16" }),
    ...FROZEN_FORMATS.map((format) => linearBackward({ ...shape, T: 8, format, dy: "f16" })),
    ...[37, 70, 261].map((T) => linearBackward({ ...rounded, T, N: 4 * T + 1 })),
    lora({ T: 37, K: 64, N: 44, rank: 12, format: "f16", dtype: "f16", dy: "f16" }),
  ];
}

/** Products of more rows than those of the other cases. */
export function manyRows(dtype: Dtype = "f32"): KernelCase[] {
  const shape = { T: 70, K: 96, N: 71, blockRows: 68 };
  const formats = dtype === "f32" ? (["f32", ...FROZEN_FORMATS] as const) : (["f32"] as const);
  return formats.flatMap((format) => [
    linearForward({ ...shape, x: dtype, y: dtype, format }),
    linearForward({ ...shape, x: dtype, format }, "residual"),
    linearAdd({ T: 70, K: 32, N: 72, y: dtype, format }, 84, 12),
    linearBackward({ ...shape, x: dtype, format }),
    linearSwiglu({ T: 70, K: 96, N: 72, x: dtype, y: dtype, format }),
  ]);
}

/** A prompt of three tokens with two completions of two, as lib/model/packing.ts lays them out. */
export function packedHeads(headDim: number): SpanCase {
  const spans = Uint32Array.of(
    ...[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3],
    ...[0, 3, 3, 4, 0, 3, 3, 5, 0, 3, 5, 6, 0, 3, 5, 7],
  );
  const lastQuery = Uint32Array.of(7, 7, 7, 5, 5, 7, 7);
  return { spans, lastQuery, rows: 7, heads: 4, kvHeads: 2, headDim };
}

/** Three completions of one question in caches: one, two and three chunks of keys. */
export function longCaches(headDim: number): SpanCase {
  const spans = Uint32Array.of(0, 100, 200, 205, 0, 100, 150, 250, 0, 150, 160, 300);
  return { spans, rows: 300, heads: 4, kvHeads: 2, headDim };
}

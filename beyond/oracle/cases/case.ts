/**
 * Runs of the kernels at a given shape, each with inputs, and what the float64 oracle says must come
 * out. The self-test inside the executable runs them at one small shape, the tests at many.
 */
import type { Tensor } from "../../../lib/gpu/memory.ts";
import { logitsStride } from "../../../lib/model/head.ts";
import type { Matrix } from "../../../lib/model/matrix.ts";
import { ROW_CHUNK, rowPartialLength } from "../../../lib/model/ops/kernels.ts";
import type { Ops } from "../../../lib/model/ops.ts";
import type { Dtype } from "../../storage/precision.ts";
import {
  packValues,
  unpackValues,
  WEIGHT_FORMATS,
  type WeightFormat,
} from "../../storage/weight-formats.ts";

/** Float64 goes to the GPU as f32, float16 as f16, integers as u32. */
export type Data = Float64Array | Float16Array | Uint32Array;
export type Tensors = Record<string, Tensor>;

export interface Output {
  /** The entry point that writes it. */
  kernel: string;
  reference: Float64Array | Uint32Array;
  /** Whether the GPU stores it in f16. */
  isHalf?: boolean;
  /** Whether what it is made of may be rounded to f16 on the way, though it is stored in f32. */
  isRounded?: boolean;
  /** What it holds beforehand; without it, a pattern that no element may keep. */
  initial?: Data;
  /** The gradient that entered the op, whose norm widens the tolerance. */
  upstream?: Float64Array;
}

export interface KernelCase {
  inputs: Record<string, Data>;
  outputs: Record<string, Output>;
  dispatch(ops: Ops, tensors: Tensors): void;
}

/**
 * How a case makes tensors of a dtype: `round` gives inputs the values that it can hold, `input` is what
 * goes to the GPU, and `output` says so of an output.
 */
export function storage(dtype: Dtype) {
  const isHalf = dtype === "f16";
  return {
    round: (values: Float64Array) => (isHalf ? values.map(Math.f16round) : values),
    input: (values: Float64Array): Data => (isHalf ? Float16Array.from(values) : values),
    output: isHalf ? { isHalf } : {},
  };
}

/** `rows` rows of logits, each with `beyond` after its end up to whole vectors of four. */
export function wholeVectors(logits: Float64Array, rows: number, beyond: number): Float64Array {
  const columns = logits.length / rows;
  const stride = logitsStride(columns);
  const padded = new Float64Array(rows * stride).fill(beyond);
  for (let row = 0; row < rows; row++) {
    padded.set(logits.subarray(row * columns, (row + 1) * columns), row * stride);
  }
  return padded;
}

/** The blocks of a matrix of `columns`, `blockRows` rows each, as data named name0, name1, ... */
export function cut<T extends Data>(name: string, data: T, columns: number, blockRows: number) {
  const blocks: [string, T][] = [];
  for (let at = 0; at < data.length; at += blockRows * columns) {
    blocks.push([`${name}${blocks.length}`, data.subarray(at, at + blockRows * columns) as T]);
  }
  return blocks;
}

/** A matrix as a format keeps it: what `cut` makes of it, and the numbers that the format leaves. */
export function stored(
  name: string,
  values: Float64Array,
  columns: number,
  blockRows: number,
  format: WeightFormat,
): { blocks: [string, Data][]; values: Float64Array } {
  if (format === "f32") return { blocks: cut(name, values, columns, blockRows), values };
  const words = packValues(Float32Array.from(values), format, columns);
  const rowWords = WEIGHT_FORMATS[format].words(columns);
  return {
    blocks: cut(name, words, rowWords, blockRows),
    values: Float64Array.from(unpackValues(words, format, columns)),
  };
}

/** The tensors of `cut` as one matrix. */
export function joined(
  tensors: Tensors,
  name: string,
  rows: number,
  columns: number,
  blockRows: number,
  format: WeightFormat = "f32",
): Matrix {
  const blocks: Matrix["blocks"][number][] = [];
  for (let firstRow = 0; firstRow < rows; firstRow += blockRows) {
    const tensor = tensors[`${name}${blocks.length}`];
    blocks.push({ tensor, firstRow, rows: Math.min(blockRows, rows - firstRow) });
  }
  return { rows, columns, format, blocks };
}

/** Sums over the rows of each chunk, by the oracle's own sum over a chunk alone. */
export function inChunks(T: number, d: number, sum: (first: number, rows: number) => Float64Array) {
  const partial = new Float64Array(rowPartialLength(T, d));
  for (let first = 0; first < T; first += ROW_CHUNK) {
    const rows = Math.min(ROW_CHUNK, T - first);
    partial.set(sum(first, rows), (first / ROW_CHUNK) * d);
  }
  return partial;
}

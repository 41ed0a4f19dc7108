import type { Gpu } from "./gpu/device.ts";
import { allocationBytes, type ElementBytes, makeTensor, type Tensor } from "./gpu/memory.ts";
import { Ops } from "./model/ops.ts";
import { type Dtype, hasHalves } from "./model/precision.ts";
import { FROZEN_FORMATS } from "./model/weight-formats.ts";
import { attentionDifferences } from "./oracle/attention-layouts.ts";
import { adamw, round } from "./oracle/cases/adamw.ts";
import { adamw8 } from "./oracle/cases/adamw8.ts";
import { attention, rope, type SpanCase, splitAttention } from "./oracle/cases/attention.ts";
import type { Data, KernelCase, Output, Tensors } from "./oracle/cases/case.ts";
import { headNorm, rmsnorm, swiglu } from "./oracle/cases/layer.ts";
import { lora } from "./oracle/cases/lora.ts";
import {
  bias,
  frozen,
  gather,
  linearAdd,
  linearBackward,
  linearForward,
  linearSwiglu,
} from "./oracle/cases/matrix.ts";
import { logprob, sample } from "./oracle/cases/vocabulary.ts";
import { type Comparison, compare, norm } from "./oracle/compare.ts";
import { Random } from "./oracle/random.ts";
import { rowClassDifferences } from "./oracle/row-classes.ts";

/** A NaN no arithmetic makes: outputs hold it beforehand, and elements past their end keep it. */
const POISON = 0x7fedbeef;
/** 1e30: what a kernel reads past the end of an input, too large to go unnoticed. */
const PAST_INPUT = 0x7149f2ca;
/** The same for halves: a NaN, and 57344. */
const HALF_POISON = 0x7e5b;
const PAST_HALVES = 0x7b00;
const GUARD = 64; // elements past the end of every tensor
/** Beside what the kernel may err by, an output in f16 is rounded to 11 bits. */
const HALF_ROUNDING = 5e-4;

export interface OutputCheck extends Comparison {
  kernel: string;
  output: string;
}

/**
 * Runs a case and compares every output with its reference; integers must be equal. An element that
 * was not written, or one past the end that was, makes the error NaN.
 * @throws GpuError if the device refuses
 */
export async function runCase(
  gpu: Gpu,
  ops: Ops,
  { inputs, outputs, dispatch }: KernelCase,
): Promise<OutputCheck[]> {
  const tensors: Tensors = {};
  const fill = (name: string, length: number, background: number, data?: Data) => {
    tensors[name] = scratch(gpu, name, length + GUARD, 4);
    const words = new Uint32Array(length + GUARD).fill(background);
    if (data instanceof Uint32Array) words.set(data);
    else if (data) new Float32Array(words.buffer).set(data);
    gpu.upload(tensors[name], words);
  };
  const fillHalves = (name: string, length: number, background: number, data?: Data) => {
    const whole = evenLength(length + GUARD);
    tensors[name] = scratch(gpu, name, whole, 2);
    const halves = new Uint16Array(whole).fill(background);
    if (data) new Float16Array(halves.buffer).set(data);
    gpu.upload(tensors[name], new Uint32Array(halves.buffer));
  };
  for (const [name, data] of Object.entries(inputs)) {
    if (data instanceof Float16Array) fillHalves(name, data.length, PAST_HALVES, data);
    else fill(name, data.length, PAST_INPUT, data);
  }
  for (const [name, { reference, initial, isHalf }] of Object.entries(outputs)) {
    if (isHalf) fillHalves(name, reference.length, HALF_POISON, initial);
    else fill(name, reference.length, POISON, initial);
  }
  dispatch(ops, tensors);
  const entries = Object.entries(outputs);
  const words = entries.map(([, { reference, isHalf }]) => {
    const length = reference.length + GUARD;
    return new Uint32Array(isHalf ? evenLength(length) / 2 : length);
  });
  await gpu.commands.read(
    entries.map(([name]) => tensors[name]),
    words,
  );
  for (const tensor of Object.values(tensors)) tensor.buffer.destroy();
  return entries.map(([output, expected], i) => ({
    kernel: expected.kernel,
    output,
    ...check(words[i], expected),
  }));
}

/** A tensor outside the run's memory accounting, for its user to destroy. */
function scratch(gpu: Gpu, name: string, length: number, elementBytes: ElementBytes): Tensor {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const size = allocationBytes(length, elementBytes);
  const buffer = gpu.device.createBuffer({ label: name, size, usage });
  return makeTensor(name, buffer, 0, length, elementBytes);
}

/** Halves are uploaded and read two at a time. */
const evenLength = (length: number) => Math.ceil(length / 2) * 2;

function check(words: Uint32Array, { reference, upstream, isHalf, isRounded }: Output): Comparison {
  const length = reference.length;
  const bits = isHalf ? new Uint16Array(words.buffer) : words;
  const poison = isHalf ? HALF_POISON : POISON;
  const past = bits.subarray(length).findIndex((element) => element !== poison);
  const integers = reference instanceof Uint32Array;
  const floats = isHalf ? new Float16Array(words.buffer) : new Float32Array(words.buffer);
  const actual = integers ? words : floats;
  const result = compare(actual.subarray(0, length), reference, {
    relative: integers ? 0 : isHalf || isRounded ? HALF_ROUNDING : 1e-5,
    upstreamNorm: upstream ? norm(upstream) : 0,
  });
  if (past < 0) return result;
  return { ...result, error: Number.NaN, worst: `[${length + past}] of ${length} was written` };
}

export interface KernelCheck {
  /** Shader and entry point, such as `matmul.forward`. */
  kernel: string;
  /** ‖out - reference‖ / ‖reference‖ of its worst output; NaN if something is not finite. */
  error: number;
  /** What is allowed of that. */
  tolerance: number;
  passed: boolean;
}

/**
 * Runs every kernel once, at a small ragged shape, against its float64 oracle. Where products have tiles by
 * their rows, each of these is run, and must give the same bits; so must attention in every layout.
 * @throws GpuError if the device refuses
 */
export async function selfTest(gpu: Gpu, variants = gpu.variants): Promise<KernelCheck[]> {
  const headDim = 16;
  const ops = new Ops(gpu, headDim, variants);
  const hasClasses = variants.tiles[variants.matmul].includes(" ");
  const hasTiles = variants.attention === "tiled" || variants.attention === "matrix";
  const wide = hasTiles ? new Ops(gpu, WIDE_HEAD, variants) : null;
  const worst = new Map<string, OutputCheck>();
  const run = async (cases: KernelCase[], suffix = "", on = ops) => {
    for (const kernelCase of cases) {
      for (const result of await runCase(gpu, on, kernelCase)) {
        if (suffix && !keepsHalves(kernelCase, result.output)) continue;
        const name = result.kernel + suffix;
        const before = worst.get(name);
        if (!before || badness(result) > badness(before)) worst.set(name, result);
      }
    }
  };
  await run(smallCases(headDim));
  if (hasClasses) await run(manyRows());
  if (wide) await run(attention(packedHeads(WIDE_HEAD)), "", wide);
  if (hasHalves(gpu)) {
    await run(halfCases(headDim), HALF_SUFFIX);
    if (hasClasses) await run(manyRows("f16"), HALF_SUFFIX);
    if (wide) await run(attention(packedHeads(WIDE_HEAD), { dtype: "f16" }), HALF_SUFFIX, wide);
    if (variants.subgroupMatrix) {
      const matrices = new Ops(gpu, headDim, { ...variants, matmul: "matrix", tuned: {} });
      await run(matrixCases(), MATRIX_SUFFIX, matrices);
    }
  }
  const checks = Array.from(worst, ([kernel, { error, tolerance, norm }]) => ({
    kernel,
    error: error / (norm || 1),
    tolerance: tolerance / (norm || 1),
    passed: error <= tolerance,
  }));
  if (hasClasses) {
    const shares = Object.entries(await rowClassDifferences(gpu, ops));
    checks.push(
      ...shares.map(([entry, share]) => sameBits(`matmul.${entry} (bits by rows)`, share)),
    );
  }
  const attended = await attentionDifferences(gpu, wide ? WIDE_HEAD : headDim, wide ?? ops);
  for (const [where, share] of Object.entries(attended)) {
    checks.push(sameBits(`attention.forward (bits ${where})`, share));
  }
  if (wide && variants.attention === "matrix" && hasHalves(gpu)) {
    const shares = await attentionDifferences(gpu, WIDE_HEAD, wide, wide, "f16");
    for (const [where, share] of Object.entries(shares)) {
      checks.push(sameBits(`attention.forward${HALF_SUFFIX} (bits ${where})`, share));
    }
  }
  return checks;
}

/** Whether an output depends on what is computed beside it: `error` is the share of outputs that do. */
const sameBits = (kernel: string, error: number): KernelCheck => ({
  kernel,
  error,
  tolerance: 0,
  passed: error === 0,
});

/** Heads as models have them, which the tiles of attention are made for. */
const WIDE_HEAD = 64;

/** Whether an output is in f16, or made from what is. */
const keepsHalves = ({ inputs, outputs }: KernelCase, output: string) =>
  outputs[output].isHalf || Object.values(inputs).some((data) => data instanceof Float16Array);

/** The error as a share of what is allowed. */
function badness({ error, tolerance }: Comparison): number {
  if (Number.isNaN(error)) return Infinity;
  return error === 0 ? 0 : error / tolerance;
}

/** After the name of a kernel that keeps its activations in f16. */
export const HALF_SUFFIX = " (f16)";
/** After the name of a product by subgroup matrices. */
const MATRIX_SUFFIX = " (f16, subgroup matrices)";
const linear = { T: 37, K: 36, N: 43, blockRows: 20 };

/** Every kernel that activations in f16 pass through. */
function halfCases(headDim: number): KernelCase[] {
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
    ...attention(packedHeads(headDim), { dtype: "f16" }),
    ...attention(longCaches(headDim), { dtype: "f16", isDecoding: true }),
    splitAttention(longCaches(headDim), "f16"),
    ...swiglu({ T: 9, ff: 20 }, { dtype: "f16" }),
    round(2500, "f16"),
    adamw([2500, 70], 1, { copy: "f16" }),
  ];
}

/** Products by subgroup matrices: every row class and format. */
function matrixCases(): KernelCase[] {
  const dtypes = { x: "f16", y: "f16" } as const;
  const shape = { K: 96, N: 71, blockRows: 40, ...dtypes };
  return [
    ...[1, 37, 70, 261].map((T) => linearForward({ ...shape, T, format: "f16" })),
    ...FROZEN_FORMATS.map((format) => linearForward({ ...shape, T: 8, format }, "bias")),
    linearForward({ ...shape, T: 8, y: "f32", format: "f16" }, "residual"),
    linearSwiglu({ T: 8, K: 96, N: 72, ...dtypes, format: "f16" }),
  ];
}

/** Products of more rows than those of the other cases. */
function manyRows(dtype: Dtype = "f32"): KernelCase[] {
  const shape = { T: 70, K: 96, N: 71, blockRows: 68 };
  const formats = dtype === "f32" ? (["f32", ...FROZEN_FORMATS] as const) : (["f32"] as const);
  const products = formats.flatMap((format) => [
    linearForward({ ...shape, x: dtype, y: dtype, format }),
    linearForward({ ...shape, x: dtype, format }, "residual"),
    linearAdd({ T: 70, K: 32, N: 72, y: dtype, format }, 84, 12),
    linearBackward({ ...shape, x: dtype, format }),
  ]);
  return [linearSwiglu({ T: 70, K: 96, N: 72, x: dtype, y: dtype }), ...products];
}

/** A prompt of three tokens with two completions of two, as lib/model/packing.ts lays them out. */
export function packedHeads(headDim: number): SpanCase {
  // A prompt of three tokens with two completions of two, as lib/model/packing.ts lays them out.
  const spans = Uint32Array.of(
    ...[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3],
    ...[0, 3, 3, 4, 0, 3, 3, 5, 0, 3, 5, 6, 0, 3, 5, 7],
  );
  const lastQuery = Uint32Array.of(7, 7, 7, 5, 5, 7, 7);
  return { spans, lastQuery, rows: 7, heads: 4, kvHeads: 2, headDim };
}

function longCaches(headDim: number): SpanCase {
  // Three completions of one question in caches: one, two and three chunks of keys.
  const spans = Uint32Array.of(0, 100, 200, 205, 0, 100, 150, 250, 0, 150, 160, 300);
  return { spans, rows: 300, heads: 4, kvHeads: 2, headDim };
}

function smallCases(headDim: number): KernelCase[] {
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
    ...attention(packedHeads(headDim)),
    ...attention(longCaches(headDim), { isDecoding: true }),
    splitAttention(longCaches(headDim)),
    ...swiglu({ T: 9, ff: 20 }),
    ...gather({ rows: 23, d: 12, M: 31, blockRows: 8 }),
    ...logprob({ M: 19, V: vocabulary, block: 24 }),
    sample(logits, keys, sampling),
    adamw([2500, 70], 1),
    adamw([70], 1, { copy: "f32" }),
    round(70, "f32"),
    adamw8(1300, 1),
  ];
}

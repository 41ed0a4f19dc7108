import type { Gpu } from "./gpu/device.ts";
import { makeTensor, type Tensor } from "./gpu/memory.ts";
import { Ops } from "./model/ops.ts";
import { adamw } from "./oracle/cases/adamw.ts";
import { attention, rope } from "./oracle/cases/attention.ts";
import type { Data, KernelCase, Output, Tensors } from "./oracle/cases/case.ts";
import { headNorm, rmsnorm, swiglu } from "./oracle/cases/layer.ts";
import { bias, gather, linearAdd, linearBackward, linearForward } from "./oracle/cases/matrix.ts";
import { logprob, sample } from "./oracle/cases/vocabulary.ts";
import { type Comparison, compare, norm } from "./oracle/compare.ts";
import { Random } from "./oracle/random.ts";

/** A NaN no arithmetic makes: outputs hold it beforehand, and elements past their end keep it. */
const POISON = 0x7fedbeef;
/** 1e30: what a kernel reads past the end of an input, too large to go unnoticed. */
const PAST_INPUT = 0x7149f2ca;
const GUARD = 64; // elements past the end of every tensor

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
    tensors[name] = scratch(gpu, name, length + GUARD);
    const words = new Uint32Array(length + GUARD).fill(background);
    if (data instanceof Uint32Array) words.set(data);
    else if (data) new Float32Array(words.buffer).set(data);
    gpu.upload(tensors[name], words);
  };
  for (const [name, data] of Object.entries(inputs)) {
    fill(name, data.length, PAST_INPUT, data);
  }
  for (const [name, { reference, initial }] of Object.entries(outputs)) {
    fill(name, reference.length, POISON, initial);
  }
  dispatch(ops, tensors);
  const entries = Object.entries(outputs);
  const words = entries.map(([, { reference }]) => new Uint32Array(reference.length + GUARD));
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
function scratch(gpu: Gpu, name: string, length: number): Tensor {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const buffer = gpu.device.createBuffer({ label: name, size: Math.ceil(length / 4) * 16, usage });
  return makeTensor(name, buffer, 0, length);
}

function check(words: Uint32Array, { reference, upstream }: Output): Comparison {
  const length = reference.length;
  const past = words.subarray(length).findIndex((word) => word !== POISON);
  const integers = reference instanceof Uint32Array;
  const actual = integers ? words : new Float32Array(words.buffer);
  const result = compare(actual.subarray(0, length), reference, {
    relative: integers ? 0 : 1e-5,
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
 * Runs every kernel once, at a small ragged shape, against its float64 oracle.
 * @throws GpuError if the device refuses
 */
export async function selfTest(gpu: Gpu): Promise<KernelCheck[]> {
  const headDim = 16;
  const ops = new Ops(gpu, headDim);
  const worst = new Map<string, OutputCheck>();
  for (const kernelCase of smallCases(headDim)) {
    for (const result of await runCase(gpu, ops, kernelCase)) {
      const before = worst.get(result.kernel);
      if (!before || badness(result) > badness(before)) worst.set(result.kernel, result);
    }
  }
  return [...worst.values()].map(({ kernel, error, tolerance, norm }) => ({
    kernel,
    error: error / (norm || 1),
    tolerance: tolerance / (norm || 1),
    passed: error <= tolerance,
  }));
}

/** The error as a share of what is allowed. */
function badness({ error, tolerance }: Comparison): number {
  if (Number.isNaN(error)) return Infinity;
  return error === 0 ? 0 : error / tolerance;
}

function smallCases(headDim: number): KernelCase[] {
  const linear = { T: 37, K: 36, N: 43, blockRows: 20 };
  // A prompt of three tokens with two completions of two, as lib/model/packing.ts lays them out.
  const spans = Uint32Array.of(
    ...[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3],
    ...[0, 3, 3, 4, 0, 3, 3, 5, 0, 3, 5, 6, 0, 3, 5, 7],
  );
  const lastQuery = Uint32Array.of(7, 7, 7, 5, 5, 7, 7);
  const heads = { spans, lastQuery, rows: 7, heads: 4, kvHeads: 2, headDim };
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
    linearAdd({ T: 37, K: 8, N: 44 }, 60, 12),
    linearBackward(linear),
    bias({ T: 131, N: 20 }),
    ...rmsnorm({ T: 131, d: 20 }),
    ...headNorm({ T: 67, d: 8 }, { heads: 2, stride: 30, first: 9 }),
    ...rope(heads),
    ...attention(heads),
    ...swiglu({ T: 9, ff: 20 }),
    ...gather({ rows: 23, d: 12, M: 31, blockRows: 8 }),
    ...logprob({ M: 19, V: vocabulary, block: 24 }),
    sample(logits, keys, sampling),
    adamw([2500, 70], 1),
  ];
}

/** Runs a case on the GPU and judges every output by its reference. */
import type { Gpu } from "../../lib/gpu/device.ts";
import {
  allocationBytes,
  type ElementBytes,
  makeTensor,
  type Tensor,
} from "../../lib/gpu/memory.ts";
import type { Ops } from "../../lib/model/ops.ts";
import type { Data, KernelCase, Output, Tensors } from "./cases/case.ts";
import { type Comparison, compare, norm } from "./compare.ts";

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

import { makeOps } from "../../beyond/kernels/ops.ts";
import type { SystemGpu } from "../../beyond/platform/gpu.ts";
import { type Dtype, elementBytes } from "../../beyond/storage/precision.ts";
import { packValues } from "../../beyond/storage/weight-formats.ts";
import { bestSeconds, type Ceilings } from "../../beyond/tuning/measure.ts";
import type { MemoryPart, Tensor } from "../../lib/gpu/memory.ts";
import type { Matrix } from "../../lib/model/matrix.ts";
import type { Ops } from "../../lib/model/ops.ts";
import { Random } from "../../lib/random.ts";
import type { ModelShape } from "../shapes.ts";
import type { Row } from "../tables.ts";

/** A kernel with its tensors, and the least that it has to do. */
export interface Kernel {
  /** Additions and multiplications; an exponential or a root counts as one. */
  operations: number;
  /** Each crosses the bus once, however often it is read; what is changed in place is in both. */
  reads: readonly Tensor[];
  writes: readonly Tensor[];
  /** Records it once. */
  record(): void;
}

/** A kernel at the shape of a model, made when its turn comes: all at once would not fit. */
export interface KernelCase {
  name: string;
  /** T in learning, sequences in decoding. */
  rows: number;
  make(space: Space): Kernel;
  /** How often a decoder layer runs it, forward and backward; 0 outside the layer. */
  perLayer: number;
}

/** The ops of a model and tensors of noise for them, until they are released. */
export class Space {
  readonly ops: Ops;
  private tensors: Tensor[] = [];
  private readonly noise: Float32Array;

  constructor(
    readonly gpu: SystemGpu,
    { headDim }: ModelShape,
    readonly dtype: Dtype,
  ) {
    this.ops = makeOps(gpu, headDim);
    const random = new Random(1);
    this.noise = Float32Array.from({ length: 1 << 18 }, () => random.float() - 0.5);
  }

  /** What need not be filled. */
  allocate(part: MemoryPart, name: string, length: number): Tensor {
    const tensor = this.gpu.allocate(part, name, length);
    this.tensors.push(tensor);
    return tensor;
  }

  /** Uniform in +-1/2, the same numbers again and again: zeros would draw less power, and run faster. */
  tensor(name: string, length: number, dtype: Dtype = "f32"): Tensor {
    const { gpu } = this;
    const bytes = elementBytes(dtype);
    const tensor = gpu.allocate("buffers", name, length, bytes);
    this.tensors.push(tensor);
    this.fill(tensor, dtype);
    return tensor;
  }

  private fill({ buffer, length, elementBytes }: Tensor, dtype: Dtype): void {
    const words = packValues(this.noise, dtype, this.noise.length);
    const total = Math.ceil((length * elementBytes) / 4);
    for (let start = 0; start < total; start += words.length) {
      const count = Math.min(words.length, total - start);
      this.gpu.device.queue.writeBuffer(buffer, 4 * start, words, 0, count);
    }
  }

  /** W[N, K] in one block. */
  matrix(name: string, N: number, K: number, format: Dtype): Matrix {
    const words = this.tensor(name, (N * K * elementBytes(format)) / 4);
    // as numbers of `format`, not as any bits: some are not finite
    if (format === "f16") this.fill(words, format);
    return { rows: N, columns: K, format, blocks: [{ tensor: words, firstRow: 0, rows: N }] };
  }

  indices(name: string, values: Uint32Array): Tensor {
    const tensor = this.gpu.allocate("buffers", name, values.length);
    this.tensors.push(tensor);
    this.gpu.upload(tensor, values);
    return tensor;
  }

  release(): void {
    for (const { buffer } of this.tensors) buffer.destroy();
    this.tensors = [];
  }
}

/**
 * Measures a kernel. Its roofline (Williams et al. 2009) is the time in which the adapter could at best do
 * its operations, or move its bytes, whichever is longer; from caches bytes move faster than that. In f16 the
 * operations are those of subgroup matrices where there are such, also for kernels that do without them.
 */
export async function measure(
  space: Space,
  { name, rows, perLayer, make }: KernelCase,
  { flops, matrixFlops, bandwidth }: Ceilings,
): Promise<Row & { ms: number; "ms a layer": number }> {
  const kernel = make(space);
  const { gpu } = space;
  const bytes = [...kernel.reads, ...kernel.writes].reduce(
    (sum, tensor) => sum + tensor.length * tensor.elementBytes,
    0,
  );
  const effort = gpu.isSoftware ? { tries: 3, seconds: 0.02 } : {};
  const seconds = await bestSeconds(gpu, kernel.writes[0], kernel.record, effort);
  space.release();
  const peak = space.dtype === "f16" ? (matrixFlops ?? flops) : flops;
  const [computing, moving] = [kernel.operations / peak, bytes / bandwidth];
  return {
    name,
    rows,
    ms: 1000 * seconds,
    "GFLOP/s": kernel.operations / seconds / 1e9,
    "GB/s": bytes / seconds / 1e9,
    "% of roofline": (100 * Math.max(computing, moving)) / seconds,
    bound: computing > moving ? "arithmetic" : "bandwidth",
    "ms a layer": 1000 * seconds * perLayer,
  };
}

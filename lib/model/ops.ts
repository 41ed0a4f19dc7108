import { Adamw } from "./ops/adamw.ts";
import { Attention } from "./ops/attention.ts";
import { Gather } from "./ops/gather.ts";
import type { Kernels } from "./ops/kernels.ts";
import { Linear } from "./ops/linear.ts";
import { Logprob } from "./ops/logprob.ts";
import { Rmsnorm } from "./ops/rmsnorm.ts";
import { Rope } from "./ops/rope.ts";
import { Sample } from "./ops/sample.ts";
import { Swiglu } from "./ops/swiglu.ts";

interface OpsOptions {
  linear?: Linear;
  attention?: Attention;
  /** What norms add to their weights. */
  normOffset?: number;
}

/**
 * The operations of a decoder: one member for each of shaders/*.wgsl, where the formulas are, and
 * methods after their entry points. Everything is f32 and row-major; T, M are rows, and every method
 * only records dispatches.
 */
export class Ops {
  /** For those that bring shaders of their own. */
  readonly kernels: Kernels;
  readonly linear: Linear;
  readonly rmsnorm: Rmsnorm;
  readonly rope: Rope;
  readonly attention: Attention;
  readonly swiglu: Swiglu;
  readonly gather: Gather;
  readonly logprob: Logprob;
  readonly sample: Sample;
  readonly adamw: Adamw;

  /** `linear` and `attention` are by their plain kernels unless others are given. */
  constructor(
    kernels: Kernels,
    headDim: number,
    { linear, attention, normOffset }: OpsOptions = {},
  ) {
    this.kernels = kernels;
    this.linear = linear ?? new Linear(kernels);
    this.rmsnorm = new Rmsnorm(kernels, normOffset);
    this.rope = new Rope(kernels, headDim);
    this.attention = attention ?? new Attention(kernels, headDim);
    this.swiglu = new Swiglu(kernels);
    this.gather = new Gather(kernels);
    this.logprob = new Logprob(kernels);
    this.sample = new Sample(kernels);
    this.adamw = new Adamw(kernels);
  }
}

import type { Gpu } from "../gpu/device.ts";
import type { Allocator, Tensor } from "../gpu/memory.ts";
import { type AdamwParams, squareChunks } from "./ops/adamw.ts";
import type { Ops } from "./ops.ts";
import { type SlabLayout, Slabs } from "./slabs.ts";

export interface AdamwSettings {
  adamBeta1: number;
  adamBeta2: number;
  adamEpsilon: number;
  /** Decoupled, and not applied to norms and biases. */
  weightDecay: number;
  /** The gradient is scaled down to this norm; 0 leaves it alone. */
  maxGradNorm: number;
}

/** One slab's parameters and gradient, and the summary of all gradients. */
export type SlabUpdate = Record<"w" | "dw" | "summary", Tensor>;

/** Both moments of every parameter that is trained. */
export interface Moments {
  /** Records the update of slab `i`; `step` counts updates from 1. */
  update(ops: Ops, i: number, tensors: SlabUpdate, params: AdamwParams, step: number): void;
}

/** Moments in float32. */
export class AdamwMoments implements Moments {
  protected readonly first: Slabs;
  protected readonly second: Slabs;

  constructor(alloc: Allocator, layout: SlabLayout) {
    this.first = new Slabs(alloc, layout, "optimizer", "first moment");
    this.second = new Slabs(alloc, layout, "optimizer", "second moment");
  }

  update(ops: Ops, i: number, tensors: SlabUpdate, params: AdamwParams): void {
    const moments = { m: this.first.slabs[i], v: this.second.slabs[i] };
    ops.adamw.update({ ...tensors, ...moments }, tensors.w.length, params);
  }
}

/** AdamW's moments, and scratch for the gradient norm. */
export class OptimizerMemory {
  readonly partial: Tensor;
  readonly summary: Tensor;
  readonly chunks: number;

  constructor(
    alloc: Allocator,
    layout: SlabLayout,
    readonly moments: Moments = new AdamwMoments(alloc, layout),
  ) {
    this.chunks = layout.slabs.reduce((sum, slab) => sum + squareChunks(slab.length), 0);
    const partials = 2 * this.chunks;
    this.partial = alloc.allocate("optimizer", "partial sums of the gradient norm", partials);
    this.summary = alloc.allocate("optimizer", "gradient norm", 2);
  }
}

/** AdamW over all parameters, with the global gradient-norm clip. */
export class Optimizer {
  private readonly floats = new Float32Array(2);
  private readonly words = new Uint32Array(this.floats.buffer);

  constructor(
    private readonly gpu: Gpu,
    private readonly ops: Ops,
    readonly memory: OptimizerMemory,
    private readonly settings: AdamwSettings,
  ) {}

  /**
   * One update of `weights` from `gradients`; `step` counts updates from 1.
   * @returns the gradient norm before clipping, or null if a gradient was NaN or infinite, in which
   *   case nothing was changed
   */
  async update(
    weights: Slabs,
    gradients: Slabs,
    learningRate: number,
    step: number,
  ): Promise<number | null> {
    const { ops, memory, settings } = this;
    this.gpu.commands.stage = "optimizer";
    const { adamBeta1: beta1, adamBeta2: beta2 } = settings;
    const params = (decay: boolean): AdamwParams => ({
      max_norm: settings.maxGradNorm,
      decay: decay ? 1 - learningRate * settings.weightDecay : 1,
      beta1,
      beta2,
      step_size: learningRate / (1 - beta1 ** step),
      root_correction: Math.sqrt(1 - beta2 ** step),
      epsilon: settings.adamEpsilon,
    });
    const { slabs } = weights.layout;
    const { partial, summary } = memory;
    let chunk = 0;
    for (const [i, { length }] of slabs.entries()) {
      ops.adamw.square({ dw: gradients.slabs[i], partial }, length, chunk, params(false));
      chunk += squareChunks(length);
    }
    ops.adamw.total({ partial, summary }, memory.chunks, params(false));
    for (const [i, { decay }] of slabs.entries()) {
      const tensors = { w: weights.slabs[i], dw: gradients.slabs[i], summary };
      memory.moments.update(ops, i, tensors, params(decay), step);
    }
    await this.gpu.read(summary, this.floats);
    return this.words[1] === 0 ? this.floats[0] : null;
  }
}

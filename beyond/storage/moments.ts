import { UserError } from "../../lib/errors.ts";
import type { Gpu } from "../../lib/gpu/device.ts";
import type { Allocator, Tensor } from "../../lib/gpu/memory.ts";
import type { AdamwParams } from "../../lib/model/ops/adamw.ts";
import type { Ops } from "../../lib/model/ops.ts";
import { AdamwMoments, type Moments, type SlabUpdate } from "../../lib/model/optimizer.ts";
import type { SlabLayout } from "../../lib/model/slabs.ts";
import { threefry2x32 } from "../../lib/model/threefry.ts";
import {
  type AnyTensorSource,
  readBytes,
  readTensor,
  type StoredTensor,
  tensorSources,
} from "../models/safetensors.ts";
import { Adamw8, MOMENT_BLOCK } from "./adamw8.ts";
import type { RoundedParameters } from "./rounded.ts";

/** How AdamW keeps its moments, by the names that `transformers` has for it. */
export const OPTIMIZERS = ["adamw", "adamw_8bit"] as const;
export type OptimizerName = (typeof OPTIMIZERS)[number];

/** What is trained, and how. */
export interface Trained {
  layout: SlabLayout;
  /** With moments in float32 by default. */
  optim?: OptimizerName;
  /** Of the rounding of 8-bit moments; 0 by default. */
  seed?: number;
  /** Copies of the weights that are to follow them. */
  rounded?: RoundedParameters;
}

/** Moments that a checkpoint can hold. */
export interface StoredMoments extends Moments {
  /** As a file has them; `load` reads them back, bit for bit. */
  sources(gpu: Gpu): AnyTensorSource[];
  load(gpu: Gpu, stored: Map<string, StoredTensor>): Promise<void>;
}

export const makeMoments = (alloc: Allocator, trained: Trained): StoredMoments =>
  trained.optim === "adamw_8bit"
    ? new ByteMoments(alloc, trained)
    : new FloatMoments(alloc, trained);

/** In float32. Checkpoints hold them by the names of the parameters. */
class FloatMoments extends AdamwMoments implements StoredMoments {
  constructor(
    alloc: Allocator,
    private readonly trained: Trained,
  ) {
    super(alloc, trained.layout);
  }

  override update(ops: Ops, i: number, tensors: SlabUpdate, params: AdamwParams): void {
    const { rounded } = this.trained;
    const copy = rounded?.copies[i];
    if (rounded && copy) {
      const moments = { m: this.first.slabs[i], v: this.second.slabs[i] };
      rounded.round(ops).update({ ...tensors, ...moments, copy }, tensors.w.length, params);
    } else super.update(ops, i, tensors, params);
  }

  sources(gpu: Gpu): AnyTensorSource[] {
    return [
      ...tensorSources(gpu, this.first, "first."),
      ...tensorSources(gpu, this.second, "second."),
    ];
  }

  async load(gpu: Gpu, stored: Map<string, StoredTensor>): Promise<void> {
    for (const [prefix, slabs] of Object.entries({ first: this.first, second: this.second })) {
      for (const name of slabs.layout.shapes.keys()) {
        slabs.set(gpu, name, await readTensor(stored, `${prefix}.${name}`));
      }
    }
  }
}

/** One slab's moments in a byte each; see beyond/storage/adamw8.wgsl. */
interface ByteSlab {
  length: number;
  m8: Tensor;
  v8: Tensor;
  /** [blocks, 2] */
  scales: Tensor;
}

/**
 * In a byte each, with two scales for every 256 parameters of a slab. Checkpoints hold them by slab, since
 * their blocks do not end where the parameters' tensors do.
 */
class ByteMoments implements StoredMoments {
  private readonly slabs: readonly ByteSlab[];
  private adamw8: Adamw8 | undefined;

  constructor(
    alloc: Allocator,
    private readonly trained: Trained,
  ) {
    this.slabs = trained.layout.slabs.map(({ length }, i) => {
      const make = (name: string, length: number) =>
        alloc.allocate("optimizer", `${name} ${i}`, length);
      const words = Math.ceil(length / 4);
      return {
        length,
        m8: make("codes of the first moment", words),
        v8: make("codes of the second moment", words),
        scales: make("scales of the moments", 2 * Math.ceil(length / MOMENT_BLOCK)),
      };
    });
  }

  update(ops: Ops, i: number, tensors: SlabUpdate, params: AdamwParams, step: number): void {
    const { seed = 0, rounded } = this.trained;
    const { length, ...moments } = this.slabs[i];
    const [key] = threefry2x32([seed, 0], [step, i]);
    this.adamw8 ??= new Adamw8(ops.kernels);
    this.adamw8.update({ ...tensors, ...moments }, length, params, key);
    const copy = rounded?.copies[i];
    if (copy) rounded.round(ops).forward({ w: tensors.w, copy }, length);
  }

  sources(gpu: Gpu): AnyTensorSource[] {
    return this.slabs.flatMap(({ length, m8, v8, scales }, i) => {
      const codes = (name: string, tensor: Tensor): AnyTensorSource => ({
        name: `${name}.${i}`,
        dtype: "U8",
        shape: [length],
        data: async () => {
          const words = await gpu.read(tensor, new Uint32Array(tensor.length));
          return new Uint8Array(words.buffer, 0, length);
        },
      });
      return [
        codes("first", m8),
        codes("second", v8),
        {
          name: `scales.${i}`,
          shape: [scales.length / 2, 2],
          data: () => gpu.read(scales, new Float32Array(scales.length)),
        },
      ];
    });
  }

  async load(gpu: Gpu, stored: Map<string, StoredTensor>): Promise<void> {
    for (const [i, { length, m8, v8, scales }] of this.slabs.entries()) {
      for (const [name, tensor] of Object.entries({ first: m8, second: v8 })) {
        const codes = stored.get(`${name}.${i}`);
        if (codes?.dtype !== "U8" || codes.shape[0] !== length) throw otherSlabs(stored);
        const words = new Uint32Array(tensor.length);
        new Uint8Array(words.buffer).set(new Uint8Array(await readBytes(codes)));
        gpu.upload(tensor, words);
      }
      gpu.upload(scales, await readTensor(stored, `scales.${i}`));
    }
  }
}

function otherSlabs(stored: Map<string, StoredTensor>): UserError {
  const [first] = stored.values();
  return new UserError(
    `${first?.source}: its 8-bit moments are cut for an adapter with other limits; go on with --gpu naming that one`,
  );
}

import { UserError } from "../../lib/errors.ts";
import type { Gpu } from "../../lib/gpu/device.ts";
import type { Allocator, Tensor } from "../../lib/gpu/memory.ts";
import { type AdamwParams, MOMENT_BLOCK } from "../../lib/model/ops/adamw.ts";
import type { Ops } from "../../lib/model/ops.ts";
import { type SlabLayout, Slabs } from "../../lib/model/slabs.ts";
import {
  type AnyTensorSource,
  readBytes,
  readTensor,
  type StoredTensor,
} from "../models/safetensors.ts";

/** How AdamW keeps its moments, by the names that `transformers` has for it. */
export const OPTIMIZERS = ["adamw", "adamw_8bit"] as const;
export type OptimizerName = (typeof OPTIMIZERS)[number];

/** One slab's parameters and gradient, and the summary of all gradients. */
interface Updated {
  w: Tensor;
  dw: Tensor;
  summary: Tensor;
  /** Gets the parameters rounded to f16. */
  copy?: Tensor;
}

/** Both moments of every parameter that is trained. */
export interface Moments {
  /** Records the update of slab `i`; `key` is that of this step's random numbers. */
  update(ops: Ops, i: number, tensors: Updated, params: AdamwParams, key: number): void;
  /** The moments as a checkpoint holds them; `load` reads them back, bit for bit. */
  sources(gpu: Gpu): AnyTensorSource[];
  load(gpu: Gpu, stored: Map<string, StoredTensor>): Promise<void>;
}

export function makeMoments(alloc: Allocator, layout: SlabLayout, name: OptimizerName): Moments {
  return name === "adamw" ? new FloatMoments(alloc, layout) : new ByteMoments(alloc, layout);
}

/** In float32. Checkpoints hold them by the names of the parameters. */
class FloatMoments implements Moments {
  private readonly first: Slabs;
  private readonly second: Slabs;

  constructor(alloc: Allocator, layout: SlabLayout) {
    this.first = new Slabs(alloc, layout, "optimizer", "first moment");
    this.second = new Slabs(alloc, layout, "optimizer", "second moment");
  }

  update(ops: Ops, i: number, tensors: Updated, params: AdamwParams): void {
    const moments = { m: this.first.slabs[i], v: this.second.slabs[i] };
    ops.adamw.update({ ...tensors, ...moments }, tensors.w.length, params);
  }

  sources(gpu: Gpu): AnyTensorSource[] {
    return [...this.first.sources(gpu, "first."), ...this.second.sources(gpu, "second.")];
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
class ByteMoments implements Moments {
  private readonly slabs: readonly ByteSlab[];

  constructor(alloc: Allocator, layout: SlabLayout) {
    this.slabs = layout.slabs.map(({ length }, i) => {
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

  update(
    ops: Ops,
    i: number,
    { copy, ...tensors }: Updated,
    params: AdamwParams,
    key: number,
  ): void {
    const { length, ...moments } = this.slabs[i];
    ops.adamw.update8bit({ ...tensors, ...moments }, length, params, key);
    if (copy) ops.round.forward({ w: tensors.w, copy }, length);
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

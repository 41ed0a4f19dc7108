import type { Tensor } from "../../lib/gpu/memory.ts";
import { type AdamwParams, adamwParams, SQUARE_CHUNK } from "../../lib/model/ops/adamw.ts";
import { ceil, type Kernels } from "../../lib/model/ops/kernels.ts";
import adamwSource from "../../shaders/adamw.wgsl" with { type: "text" };
import adamw8Source from "./adamw8.wgsl" with { type: "text" };

/** Elements that share a scale where moments take a byte. */
export const MOMENT_BLOCK = 256;

/** beyond/storage/adamw8.wgsl: AdamW with moments of a byte each. */
export class Adamw8 {
  constructor(private readonly kernels: Kernels) {
    const source = `${adamwSource}\n${adamw8Source}`;
    kernels.addRows("adamw8", source, "update_8bit", { CHUNK: SQUARE_CHUNK });
  }

  /** Moves `count` elements of w; `key` is that of the step's random numbers. */
  update(
    tensors: Record<"w" | "dw" | "m8" | "v8" | "scales" | "summary", Tensor>,
    count: number,
    params: AdamwParams,
    key: number,
  ): void {
    const all = adamwParams(params, { count, key });
    const blocks = ceil(count, MOMENT_BLOCK);
    this.kernels.runRows("adamw8.update_8bit", tensors, all, blocks, MOMENT_BLOCK);
  }
}

import type { Tensor } from "../../lib/gpu/memory.ts";
import { type AdamwParams, adamwParams, SQUARE_CHUNK } from "../../lib/model/ops/adamw.ts";
import { ceil, type Kernels } from "../../lib/model/ops/kernels.ts";
import adamwSource from "../../shaders/adamw.wgsl" with { type: "text" };
import adamwRoundedSource from "./adamw-rounded.wgsl" with { type: "text" };
import roundSource from "./round.wgsl" with { type: "text" };

/** beyond/storage/round.wgsl and adamw-rounded.wgsl: a copy in f16, made and kept up to date. */
export class Round {
  constructor(private readonly kernels: Kernels) {
    kernels.add("round", roundSource, "forward");
    const source = `${adamwSource}\n${adamwRoundedSource}`;
    kernels.add("adamw", source, "update_rounded", { CHUNK: SQUARE_CHUNK });
  }

  /** Rounds `count` elements of w. */
  forward(tensors: { w: Tensor; copy: Tensor }, count: number): void {
    this.kernels.run("round.forward", tensors, { count }, [ceil(count, 64)]);
  }

  /** Moves `count` elements of w as AdamW does, and rounds them. */
  update(
    tensors: Record<"w" | "dw" | "m" | "v" | "summary" | "copy", Tensor>,
    count: number,
    params: AdamwParams,
  ): void {
    const all = adamwParams(params, { count });
    this.kernels.run("adamw.update_rounded", tensors, all, [ceil(count, 256)]);
  }
}

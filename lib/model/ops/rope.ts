import ropeSource from "../../../shaders/rope.wgsl" with { type: "text" };
import type { Tensor } from "../../gpu/memory.ts";
import { type HeadShape, headParams } from "./heads.ts";
import { ceil, type Kernels } from "./kernels.ts";

/** shaders/rope.wgsl: rotary position embedding. */
export class Rope {
  constructor(
    private readonly kernels: Kernels,
    headDim: number,
  ) {
    kernels.add("rope", ropeSource, "forward backward", { HEAD_DIM: headDim });
  }

  /** Splits qkv into rotated q, rotated keys and values, these in the rows their spans name. */
  forward(
    tensors: {
      spans: Tensor;
      table: Tensor;
      /** Where q and k are read: qkv itself, or a copy with normed heads. */
      qk: Tensor;
      qkv: Tensor;
      q: Tensor;
      keys: Tensor;
      values: Tensor;
    },
    tokens: number,
    shape: HeadShape,
  ): void {
    this.kernels.run("rope.forward", tensors, headParams(tokens, shape), groups(tokens, shape));
  }

  /** Joins dq, dk and dv into dqkv, rotated back. */
  backward(
    tensors: {
      spans: Tensor;
      table: Tensor;
      dq: Tensor;
      dk: Tensor;
      dv: Tensor;
      dqkv: Tensor;
    },
    tokens: number,
    shape: HeadShape,
  ): void {
    this.kernels.run("rope.backward", tensors, headParams(tokens, shape), groups(tokens, shape));
  }
}

function groups(tokens: number, { heads, kvHeads, headDim }: HeadShape) {
  return [ceil((tokens * (heads + 2 * kvHeads) * headDim) / 4, 64)] as const;
}

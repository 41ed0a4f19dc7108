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

  /**
   * Splits qkv into rotated q, rotated keys and values, these in the rows their spans name. The table begins at
   * position `first` of the tensor.
   */
  forward(
    tensors: {
      spans: Tensor;
      moved: Tensor;
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
    first = 0,
  ): void {
    const params = { ...headParams(tokens, shape), first };
    this.kernels.run("rope.forward", tensors, params, groups(tokens, shape));
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
    first = 0,
  ): void {
    const params = { ...headParams(tokens, shape), first };
    this.kernels.run("rope.backward", tensors, params, groups(tokens, shape));
  }
}

function groups(tokens: number, { heads, kvHeads, headDim }: HeadShape) {
  return [ceil((tokens * (heads + 2 * kvHeads) * headDim) / 4, 64)] as const;
}

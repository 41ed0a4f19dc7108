import attentionSource from "../../../shaders/attention.wgsl" with { type: "text" };
import type { Tensor } from "../../gpu/memory.ts";
import type { Variants } from "../../gpu/variants.ts";
import { TiledAttention } from "./attention-tiled.ts";
import { ceil, type Kernels, withMath } from "./kernels.ts";

/** Attention's shape: what one token's q, k and v are made of. */
export interface HeadShape {
  heads: number;
  kvHeads: number;
  headDim: number;
}

/** shaders/attention.wgsl: causal grouped-query attention over the spans of packed sequences. */
export class Attention {
  private readonly tiled: TiledAttention | undefined;

  constructor(
    private readonly kernels: Kernels,
    headDim: number,
    { attention, attentionMemory }: Pick<Variants, "attention" | "attentionMemory">,
  ) {
    if (attention === "tiled") this.tiled = new TiledAttention(kernels, headDim, attentionMemory);
    const entries = "forward backward_delta backward_query backward_key";
    kernels.add("attention", withMath(attentionSource), entries, { HEAD_DIM: headDim });
  }

  /** o[T, H, D] and lse[T, H]. `isDecoding`: each token is of another sequence; it changes no bit. */
  forward(
    tensors: { spans: Tensor; q: Tensor; k: Tensor; v: Tensor; o: Tensor; lse: Tensor },
    tokens: number,
    shape: HeadShape,
    isDecoding = false,
  ): void {
    if (this.tiled) {
      this.tiled.forward(tensors, tokens, shape, isDecoding);
      return;
    }
    const groups = [ceil(tokens * shape.heads, 64)] as const;
    this.kernels.run("attention.forward", tensors, headParams(tokens, shape), groups);
  }

  /** dq, dk and dv from d_o, with softmax[T, H, 2] as scratch. */
  backward(
    tensors: {
      spans: Tensor;
      last_query: Tensor;
      q: Tensor;
      k: Tensor;
      v: Tensor;
      o: Tensor;
      lse: Tensor;
      d_o: Tensor;
      softmax: Tensor;
      dq: Tensor;
      dk: Tensor;
      dv: Tensor;
    },
    tokens: number,
    shape: HeadShape,
  ): void {
    const params = headParams(tokens, shape);
    const queryGroups = [ceil(tokens * shape.heads, 64)] as const;
    const keyGroups = [ceil(tokens * shape.kvHeads, 64)] as const;
    this.kernels.run("attention.backward_delta", tensors, params, queryGroups);
    if (this.tiled) {
      this.tiled.backward(tensors, tokens, shape);
      return;
    }
    this.kernels.run("attention.backward_query", tensors, params, queryGroups);
    this.kernels.run("attention.backward_key", tensors, params, keyGroups);
  }
}

/** The `Params` of attention.wgsl and rope.wgsl. */
export function headParams(tokens: number, { heads, kvHeads }: HeadShape) {
  return { tokens, heads, kv_heads: kvHeads };
}

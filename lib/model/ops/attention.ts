import { MatrixAttention, matrixConstants } from "../../../beyond/kernels/attention-matrix.ts";
import { SubgroupAttention } from "../../../beyond/kernels/attention-subgroup.ts";
import { TiledAttention } from "../../../beyond/kernels/attention-tiled.ts";
import { MOST_SPLIT_QUERIES, type Variants } from "../../../beyond/kernels/variants.ts";
import type { Dtype } from "../../../beyond/storage/precision.ts";
import attentionSource from "../../../shaders/attention.wgsl" with { type: "text" };
import type { Allocator, Tensor } from "../../gpu/memory.ts";
import { type HeadShape, headParams, KEY_CHUNK } from "./heads.ts";
import { ceil, type Kernels, withMath } from "./kernels.ts";

/** Where the chunks of long caches go when each is added up apart. */
export interface KeyChunks {
  /** [queries, chunks, D + 4] */
  partials: Tensor;
  /** As many as the longest cache has. */
  chunks: number;
}

/**
 * Memory for splitting up to `keys` keys of each of `rows` tokens in decoding, if they are more than a chunk.
 * @param splitQueries of the adapter's variants
 */
export function allocateKeyChunks(
  alloc: Pick<Allocator, "allocate">,
  { heads, headDim }: Pick<HeadShape, "heads" | "headDim">,
  rows: number,
  keys: number,
  splitQueries = MOST_SPLIT_QUERIES,
): KeyChunks | undefined {
  const chunks = ceil(keys, KEY_CHUNK);
  if (chunks < 2) return undefined;
  const queries = Math.min(rows * heads, splitQueries);
  const length = queries * chunks * (headDim + 4);
  return { partials: alloc.allocate("activations", "attention by chunks", length), chunks };
}

/** What a forward pass is known to be; no bit depends on it. */
export interface DecodingStep {
  /** Each token is of another sequence. */
  isDecoding?: boolean;
  /** Room for splitting the keys of few queries; none of them may see more keys than it has chunks for. */
  keyChunks?: KeyChunks;
}

/** Causal grouped-query attention over the spans of packed sequences, by the kernels of the adapter. */
export class Attention {
  private readonly tiled: TiledAttention | undefined;
  /** Where q, k and v are in f16. */
  private readonly matrix: MatrixAttention | undefined;
  private readonly subgroup: SubgroupAttention | undefined;

  constructor(
    private readonly kernels: Kernels,
    headDim: number,
    private readonly variants: Variants,
  ) {
    const { attention, attentionMemory, subgroupMatrix } = variants;
    const constants = subgroupMatrix && matrixConstants(headDim, subgroupMatrix);
    if (attention === "matrix" && constants) this.matrix = new MatrixAttention(kernels, constants);
    if (attention === "tiled" || attention === "matrix") {
      this.tiled = new TiledAttention(kernels, headDim, attentionMemory);
    }
    if (attention === "subgroup") this.subgroup = new SubgroupAttention(kernels, headDim, variants);
    const entries =
      "forward forward_chunk forward_merge backward_delta backward_query backward_key";
    kernels.add("attention", withMath(attentionSource), entries, {
      HEAD_DIM: headDim,
      CHUNK: KEY_CHUNK,
    });
  }

  /** What gradients are rounded to where they are factors, with activations in `dtype`. */
  gradientFactors(dtype: Dtype): Dtype {
    return dtype === "f16" && this.matrix ? "f16" : "f32";
  }

  /** o[T, H, D] and lse[T, H]. */
  forward(
    tensors: { spans: Tensor; q: Tensor; k: Tensor; v: Tensor; o: Tensor; lse: Tensor },
    tokens: number,
    shape: HeadShape,
    { isDecoding = false, keyChunks }: DecodingStep = {},
  ): void {
    const queries = tokens * shape.heads;
    const tiles = this.matrixFor(tensors.q) ?? this.tiled;
    if (isDecoding && keyChunks && queries <= this.variants.splitQueries) {
      this.forwardSplit(tensors, tokens, shape, keyChunks);
    } else if (tiles) {
      tiles.forward(tensors, tokens, shape, isDecoding);
    } else if (this.subgroup && !isDecoding && queries > this.variants.plainQueries) {
      this.subgroup.forward(tensors, tokens, shape);
    } else {
      const params = { ...headParams(tokens, shape), chunks: 1 };
      this.kernels.run("attention.forward", tensors, params, [ceil(queries, 64)]);
    }
  }

  /** Subgroup matrices have f16 factors. */
  private matrixFor({ elementBytes }: Tensor): MatrixAttention | undefined {
    return elementBytes === 2 ? this.matrix : undefined;
  }

  /** The same with the keys of every query split by chunk. */
  private forwardSplit(
    tensors: { spans: Tensor; q: Tensor; k: Tensor; v: Tensor; o: Tensor; lse: Tensor },
    tokens: number,
    shape: HeadShape,
    { partials, chunks }: KeyChunks,
  ): void {
    const queries = tokens * shape.heads;
    const params = { ...headParams(tokens, shape), chunks };
    const split = { ...tensors, partials };
    const tiles = this.matrixFor(tensors.q) ?? this.tiled;
    if (tiles) tiles.forwardChunks(split, tokens, shape, chunks);
    else this.kernels.run("attention.forward_chunk", split, params, [ceil(queries * chunks, 64)]);
    const vectors = (queries * shape.headDim) / 4;
    this.kernels.run("attention.forward_merge", split, params, [ceil(vectors, 64)]);
  }

  /** dq, dk and dv from d_o, with `softmax` of softmaxLength as scratch. */
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
    const matrix = this.matrixFor(tensors.q);
    if (matrix) {
      matrix.backward(tensors, tokens, shape);
      return;
    }
    const params = { ...headParams(tokens, shape), chunks: 1 };
    const queryGroups = [ceil(tokens * shape.heads, 64)] as const;
    const keyGroups = [ceil(tokens * shape.kvHeads, 64)] as const;
    this.kernels.run("attention.backward_delta", tensors, params, queryGroups);
    const other = this.tiled ?? this.subgroup;
    if (other) {
      other.backward(tensors, tokens, shape);
      return;
    }
    this.kernels.run("attention.backward_query", tensors, params, queryGroups);
    this.kernels.run("attention.backward_key", tensors, params, keyGroups);
  }
}

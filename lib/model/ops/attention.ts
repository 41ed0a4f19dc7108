import attentionSource from "../../../shaders/attention.wgsl" with { type: "text" };
import type { Allocator, Tensor } from "../../gpu/memory.ts";
import { type HeadShape, headParams, KEY_CHUNK } from "./heads.ts";
import { ceil, type Kernels } from "./kernels.ts";

/**
 * Queries of decoding, a head counted as one, whose keys may be split: more keep a GPU busy anyway.
 */
export const MOST_SPLIT_QUERIES = 8192;

/** Where the chunks of long caches go when each is added up apart. */
export interface KeyChunks {
  /** [queries, chunks, D + 4] */
  partials: Tensor;
  /** As many as the longest cache has. */
  chunks: number;
}

/**
 * Memory for splitting up to `keys` keys of each of `rows` tokens in decoding, if they are more than a chunk.
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

export type ForwardTensors = Record<"spans" | "moved" | "q" | "k" | "v" | "o" | "lse", Tensor>;
export type BackwardTensors = ForwardTensors &
  Record<"last_query" | "d_o" | "softmax" | "dq" | "dk" | "dv", Tensor>;

/** shaders/attention.wgsl: causal grouped-query attention over the spans of packed sequences. */
export class Attention {
  constructor(
    protected readonly kernels: Kernels,
    headDim: number,
  ) {
    const entries =
      "forward forward_chunk forward_merge backward_delta backward_query backward_key";
    kernels.add("attention", attentionSource, entries, { HEAD_DIM: headDim, CHUNK: KEY_CHUNK });
  }

  /** o[T, H, D] and lse[T, H]. */
  forward(
    tensors: ForwardTensors,
    tokens: number,
    shape: HeadShape,
    { isDecoding = false, keyChunks }: DecodingStep = {},
  ): void {
    const queries = tokens * shape.heads;
    if (!isDecoding || !keyChunks || queries > this.splitQueries) {
      this.forwardWhole(tensors, tokens, shape, isDecoding);
      return;
    }
    const { partials, chunks } = keyChunks;
    const split = { ...tensors, partials };
    this.forwardChunks(split, tokens, shape, chunks);
    const groups = [ceil((queries * shape.headDim) / 4, 64)] as const;
    this.kernels.run("attention.forward_merge", split, headParams(tokens, shape, chunks), groups);
  }

  protected readonly splitQueries: number = MOST_SPLIT_QUERIES;

  protected forwardWhole(
    tensors: ForwardTensors,
    tokens: number,
    shape: HeadShape,
    _isDecoding: boolean,
  ): void {
    const groups = [ceil(tokens * shape.heads, 64)] as const;
    this.kernels.run("attention.forward", tensors, headParams(tokens, shape), groups);
  }

  /** What `forward_merge` needs: the keys of every query split by chunk. */
  protected forwardChunks(
    tensors: ForwardTensors & { partials: Tensor },
    tokens: number,
    shape: HeadShape,
    chunks: number,
  ): void {
    const groups = [ceil(tokens * shape.heads * chunks, 64)] as const;
    const params = headParams(tokens, shape, chunks);
    this.kernels.run("attention.forward_chunk", tensors, params, groups);
  }

  /** dq, dk and dv from d_o, with `softmax` of softmaxLength as scratch. */
  backward(tensors: BackwardTensors, tokens: number, shape: HeadShape): void {
    const queries = [ceil(tokens * shape.heads, 64)] as const;
    this.kernels.run("attention.backward_delta", tensors, headParams(tokens, shape), queries);
    this.backwardFromDelta(tensors, tokens, shape);
  }

  protected backwardFromDelta(tensors: BackwardTensors, tokens: number, shape: HeadShape): void {
    const params = headParams(tokens, shape);
    const queries = [ceil(tokens * shape.heads, 64)] as const;
    const keys = [ceil(tokens * shape.kvHeads, 64)] as const;
    this.kernels.run("attention.backward_query", tensors, params, queries);
    this.kernels.run("attention.backward_key", tensors, params, keys);
  }
}

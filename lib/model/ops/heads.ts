import { rowPartialLength } from "./kernels.ts";

/** Attention's shape: what one token's q, k and v are made of. */
export interface HeadShape {
  heads: number;
  kvHeads: number;
  headDim: number;
  /** The most keys that a token sees, the last of all; all of them if there is none. */
  window?: number;
}

/** Rows of keys and values that lie together; `moved` says where. See shaders/moved.wgsl. */
export const BLOCK_ROWS = 16;

/** What the `Params` of attention's shaders and rope.wgsl share. */
export function headParams(tokens: number, { heads, kvHeads, window }: HeadShape, chunks = 1) {
  return { tokens, heads, kv_heads: kvHeads, chunks, window: window ?? 0xffffffff };
}

/**
 * Elements of the scratch `softmax` of a backward pass: log-sum-exp and delta of every token and head, then two
 * numbers for each head and ROW_CHUNK tokens, which attention-matrix-backward.wgsl needs.
 */
export const softmaxLength = (tokens: number, heads: number) =>
  2 * tokens * heads + rowPartialLength(tokens, 2 * heads);

/**
 * Keys of a chunk, counted from the first that a query sees: the order of attention's sums is chunk by chunk,
 * whichever kernel adds.
 */
export const KEY_CHUNK = 128;

/** Attention's shape: what one token's q, k and v are made of. */
export interface HeadShape {
  heads: number;
  kvHeads: number;
  headDim: number;
}

/** What the `Params` of attention's shaders and rope.wgsl share. */
export function headParams(tokens: number, { heads, kvHeads }: HeadShape) {
  return { tokens, heads, kv_heads: kvHeads };
}

/**
 * Keys of a chunk, counted from the first that a query sees: the order of attention's sums is chunk by chunk,
 * whichever kernel adds.
 */
export const KEY_CHUNK = 128;

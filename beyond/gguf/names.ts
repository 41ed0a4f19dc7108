/** The tensor that holds the scaling of Llama 3's RoPE. */
export const ROPE_FACTORS = "rope_freqs.weight";

/**
 * How many heads' rows are interleaved in a tensor, 0 for none. Llama's q and k projections rotate
 * neighbouring rows in GGUF, (0, 1), (2, 3) ..., where Hugging Face rotates halves, (0, D/2), (1, D/2 + 1) ...
 */
export function interleavedHeads(
  name: string,
  architecture: string,
  { numHeads, numKeyValueHeads }: { numHeads: number; numKeyValueHeads: number },
): number {
  if (architecture !== "llama") return 0;
  if (/\.q_proj\./.test(name)) return numHeads;
  return /\.k_proj\./.test(name) ? numKeyValueHeads : 0;
}

/**
 * Rows [heads, D/2, 2] to [heads, 2, D/2]; `back` the other way. A bias is a matrix of one column, and rows
 * of blocks are rows of as many words.
 */
export function reorderRows<T extends Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>>(
  data: T,
  rows: number,
  heads: number,
  back = false,
): T {
  const out = data.slice() as T;
  const columns = data.length / rows;
  const half = rows / heads / 2;
  for (let head = 0; head < heads; head++) {
    for (let i = 0; i < 2 * half; i++) {
      const neighbour = head * 2 * half + i;
      const halves = head * 2 * half + (i % 2) * half + (i >> 1);
      const [from, to] = back ? [halves, neighbour] : [neighbour, halves];
      out.set(data.subarray(from * columns, (from + 1) * columns), to * columns);
    }
  }
  return out;
}

/** What GGUF calls the tensors of Llama and Qwen: Hugging Face name to GGUF name. */
const OUTER: Record<string, string> = {
  "model.embed_tokens.weight": "token_embd.weight",
  "model.norm.weight": "output_norm.weight",
  "lm_head.weight": "output.weight",
};
const LAYER: Record<string, string> = {
  input_layernorm: "attn_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "self_attn.q_norm": "attn_q_norm",
  "self_attn.k_norm": "attn_k_norm",
  post_attention_layernorm: "ffn_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};
const LAYER_BACK = Object.fromEntries(Object.entries(LAYER).map(([a, b]) => [b, a]));
const OUTER_BACK = Object.fromEntries(Object.entries(OUTER).map(([a, b]) => [b, a]));

/** The tensor that holds the scaling of Llama 3's RoPE. */
export const ROPE_FACTORS = "rope_freqs.weight";

export function toGgufName(name: string): string {
  const [, layer, part, kind] = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name) ?? [];
  const found = part ? LAYER[part] && `blk.${layer}.${LAYER[part]}.${kind}` : OUTER[name];
  if (!found) throw new Error(`no GGUF name for ${name}`);
  return found;
}

/** The Hugging Face name of a GGUF tensor; one that has none keeps its own. */
export function fromGgufName(name: string): string {
  const [, layer, part, kind] = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name) ?? [];
  if (part && LAYER_BACK[part]) return `model.layers.${layer}.${LAYER_BACK[part]}.${kind}`;
  return OUTER_BACK[name] ?? name;
}

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

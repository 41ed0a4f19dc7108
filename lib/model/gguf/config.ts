import { UserError } from "../../errors.ts";
import type { GgufFile, MetadataValue } from "./format.ts";

/** GGUF's names of architectures, and Hugging Face's. Mistral's models are "llama" in GGUF. */
export const ARCHITECTURES: Record<string, { architecture: string; modelType: string }> = {
  llama: { architecture: "LlamaForCausalLM", modelType: "llama" },
  qwen2: { architecture: "Qwen2ForCausalLM", modelType: "qwen2" },
  qwen3: { architecture: "Qwen3ForCausalLM", modelType: "qwen3" },
};

/** What describes, or follows from the tensors, or is checked below. */
const KNOWN = new Set(
  (
    "block_count context_length embedding_length feed_forward_length attention.head_count " +
    "attention.head_count_kv attention.key_length attention.value_length rope.dimension_count " +
    "rope.freq_base attention.layer_norm_rms_epsilon vocab_size rope.scaling.type rope.scaling.factor " +
    "rope.scaling.original_context_length rope.scaling.finetuned attention.causal"
  ).split(" "),
);

/**
 * The `config.json` of a GGUF model. What would change the computation and has no field there is an error.
 * @param ropeFactors the divisors of the RoPE frequencies (`rope_freqs.weight`), if the file has any
 */
export function configOf(
  { metadata, tensors }: GgufFile,
  ropeFactors: Float32Array | null,
  source: string,
): Record<string, unknown> {
  const fail = (why: string): never => {
    throw new UserError(`${source}: ${why}`);
  };
  const prefix = String(metadata.get("general.architecture"));
  const { architecture, modelType } =
    ARCHITECTURES[prefix] ??
    fail(`the architecture ${prefix} is not supported; only ${Object.keys(ARCHITECTURES)} are`);
  const get = (key: string) => metadata.get(`${prefix}.${key}`);
  /** A number; one for every layer must be the same in all. */
  const number = (key: string, otherwise?: number): number => {
    const value = [get(key) ?? otherwise].flat() as MetadataValue[];
    const [first] = value;
    if (typeof first !== "number" && typeof first !== "bigint")
      return fail(`has no ${prefix}.${key}`);
    if (value.some((other) => other !== first)) fail(`${prefix}.${key} differs between layers`);
    return Number(first);
  };
  for (const [key, value] of metadata) {
    const name = key.startsWith(`${prefix}.`) ? key.slice(prefix.length + 1) : null;
    if (name === null || KNOWN.has(name)) continue;
    // zero and false leave a feature off
    if (Number(value) !== 0) fail(`${key} = ${String(value).slice(0, 40)} is not supported`);
  }
  const hidden = number("embedding_length");
  const heads = number("attention.head_count");
  const headDim = number("attention.key_length", hidden / heads);
  for (const key of ["attention.value_length", "rope.dimension_count"]) {
    if (number(key, headDim) !== headDim)
      fail(`${prefix}.${key} must be ${headDim}, the head's size`);
  }
  if (get("attention.causal") === false) fail(`${prefix}.attention.causal must be true`);
  const token = (key: string) => {
    const id = metadata.get(`tokenizer.ggml.${key}_token_id`);
    return id === undefined ? null : Number(id);
  };
  const context = number("context_length");
  const scaling = get("rope.scaling.type") ?? "none";
  let ropeScaling: object | null = null;
  if (scaling === "linear") {
    ropeScaling = { rope_type: "linear", factor: shortest(number("rope.scaling.factor")) };
  } else if (scaling !== "none") fail(`RoPE scaled by ${scaling} is not supported`);
  const theta = shortest(number("rope.freq_base", 10000));
  if (ropeFactors) {
    ropeScaling =
      llama3Scaling(ropeFactors, theta, headDim) ??
      fail("its rope_freqs.weight is not that of Llama 3.1 or 3.2, and no other is supported");
  }
  return {
    architectures: [architecture],
    model_type: modelType,
    vocab_size: tensors.get("token_embd.weight")?.shape[0] ?? fail("has no token_embd.weight"),
    hidden_size: hidden,
    intermediate_size: number("feed_forward_length"),
    num_hidden_layers: number("block_count"),
    num_attention_heads: heads,
    num_key_value_heads: number("attention.head_count_kv", heads),
    head_dim: headDim,
    hidden_act: "silu",
    rms_norm_eps: shortest(number("attention.layer_norm_rms_epsilon")),
    rope_theta: theta,
    rope_scaling: ropeScaling,
    max_position_embeddings: context,
    tie_word_embeddings: !tensors.has("output.weight"),
    bos_token_id: token("bos"),
    eos_token_id: [...new Set([token("eos"), token("eot")])].filter((id) => id !== null),
  };
}

/** The decimal number that was meant by a float32: 9.999999747378752e-6 is 1e-5. */
function shortest(value: number): number {
  for (let digits = 1; digits <= 9; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === Math.fround(value)) return rounded;
  }
  return value;
}

/** Factors by which Llama 3 models stretch RoPE; the other three numbers are the same in all of them. */
const LLAMA3_FACTORS = [8, 32];

/**
 * The `rope_scaling` of Llama 3 that gives these divisors of the frequencies, or null. The file stores only
 * what the formula gives: wavelengths beyond L are divided by `factor`, those under L/4 by 1, those between
 * by 1 / ((1 - s)/factor + s) with s = (L/wavelength - 1) / 3, where L = 8192 is the original context.
 */
function llama3Scaling(factors: Float32Array, theta: number, headDim: number): object | null {
  const original = 8192;
  for (const factor of LLAMA3_FACTORS) {
    const fits = factors.every((found, i) => {
      const wavelength = 2 * Math.PI * theta ** ((2 * i) / headDim);
      const smooth = Math.min(1, Math.max(0, (original / wavelength - 1) / 3));
      const expected = 1 / ((1 - smooth) / factor + smooth);
      return Math.abs(found - expected) < 1e-4 * expected;
    });
    if (fits && factors.length === headDim / 2) {
      return {
        rope_type: "llama3",
        factor,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: original,
      };
    }
  }
  return null;
}

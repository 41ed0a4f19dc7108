import { UserError } from "../../lib/errors.ts";
import { type RopeConfig, type RopeScaling, scaleFrequency } from "../../lib/model/rope.ts";
import { toRopeFields } from "../models/config.ts";
import type { GgufFile, MetadataValue } from "./format.ts";

/** GGUF's names of architectures, and Hugging Face's. Mistral's models are "llama" in GGUF. */
export const ARCHITECTURES: Record<string, { architecture: string; modelType: string }> = {
  llama: { architecture: "LlamaForCausalLM", modelType: "llama" },
  qwen2: { architecture: "Qwen2ForCausalLM", modelType: "qwen2" },
  qwen3: { architecture: "Qwen3ForCausalLM", modelType: "qwen3" },
  gemma3: { architecture: "Gemma3ForCausalLM", modelType: "gemma3_text" },
};

/** What Gemma's files have beside that. */
const GEMMA_KEYS = ["attention.sliding_window", "rope.freq_base_swa"];
/** Gemma 3 of 27B, which alone divides scores by something else than the root of a head's size. */
const LARGEST_GEMMA_LAYERS = 62;

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
    if (prefix === "gemma3" && GEMMA_KEYS.includes(name)) continue;
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
  const theta = shortest(number("rope.freq_base", prefix === "gemma3" ? 1e6 : 10000));
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
    ...(prefix === "gemma3"
      ? {
          hidden_activation: "gelu_pytorch_tanh",
          query_pre_attn_scalar:
            number("block_count") === LARGEST_GEMMA_LAYERS ? hidden / heads : headDim,
          sliding_window: number("attention.sliding_window"),
          rope_local_base_freq: shortest(number("rope.freq_base_swa", 10000)),
        }
      : { hidden_act: "silu" }),
    rms_norm_eps: shortest(number("attention.layer_norm_rms_epsilon")),
    rope_theta: theta,
    rope_scaling: ropeScaling,
    max_position_embeddings: context,
    tie_word_embeddings: !tensors.has("output.weight"),
    bos_token_id: token("bos"),
    eos_token_id: [...new Set([token("eos"), token("eot"), endOfTurn(metadata)])].filter(
      (id) => id !== null,
    ),
    pad_token_id: token("padding"),
  };
}

/** The token that ends what Gemma says, if its chat template has it: not every file names it. */
function endOfTurn(metadata: GgufFile["metadata"]): number | null {
  const text = "<end_of_turn>";
  const tokens = metadata.get("tokenizer.ggml.tokens");
  const template = String(metadata.get("tokenizer.chat_template") ?? "");
  const id = Array.isArray(tokens) && template.includes(text) ? tokens.indexOf(text) : -1;
  return id < 0 ? null : id;
}

/** The decimal number that was meant by a float32: 9.999999747378752e-6 is 1e-5. */
function shortest(value: number): number {
  for (let digits = 1; digits <= 9; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === Math.fround(value)) return rounded;
  }
  return value;
}

/** What Llama 3.1 and its successors have; only the factor differs. */
const LLAMA3 = { lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositionEmbeddings: 8192 };

/** The scaling of Llama 3 that gives these divisors of the frequencies, all the file stores of it; or null. */
function llama3Scaling(factors: Float32Array, ropeTheta: number, headDim: number) {
  const half = headDim / 2;
  const factor = shortest(Math.max(...factors));
  const scalings = [LLAMA3, ...otherBlends(factors, factor, ropeTheta, headDim)].map(
    (blend): RopeScaling => ({ type: "llama3", factor, ...blend }),
  );
  const found = scalings.find((ropeScaling) =>
    ropeFactors({ headDim, ropeTheta, ropeScaling })?.every(
      (value, i) => Math.abs(factors[i] - value) < 1e-4 * value,
    ),
  );
  return found && factors.length === half ? toRopeFields(found) : null;
}

/**
 * Where the blend may lie if not where Llama 3 has it: the share kept, s = (L f / (2 pi) - low) / (high - low), is a
 * line in the frequency f, on which those lie that are partly kept. Many scalings compute the same; these have
 * low = 1, and take high from two such frequencies, or try some where there is one or none.
 */
function* otherBlends(factors: Float32Array, factor: number, theta: number, headDim: number) {
  const blend = (highFreqFactor: number, originalMaxPositionEmbeddings: number) => ({
    lowFreqFactor: 1,
    highFreqFactor,
    originalMaxPositionEmbeddings,
  });
  const points = Array.from(factors, (divisor, j) => ({
    f: theta ** ((-2 * j) / headDim),
    s: (1 / divisor - 1 / factor) / (1 - 1 / factor),
  })).filter(({ s }) => s > 1e-4 && s < 1 - 1e-4);
  const [first, last] = [points[0], points[points.length - 1]];
  const slope = points.length > 1 ? (first.s - last.s) / (first.f - last.f) : null;
  const highs = slope === null ? [4, 2, 8, 1.5, 16] : [1 - 1 / (first.s - slope * first.f)];
  for (const high of highs) {
    const lengths = first
      ? [(2 * Math.PI * (1 + first.s * (high - 1))) / first.f]
      : Array.from({ length: 20 }, (_, i) => 2 ** (i + 3));
    for (const length of lengths) {
      yield blend(Number(high.toPrecision(3)), Math.round(length));
      yield blend(high, length);
    }
  }
}

/** What the scaling of Llama 3 divides each frequency by, [D / 2]: `rope_freqs.weight`. Null for others. */
export function ropeFactors({ headDim, ropeTheta, ropeScaling }: RopeConfig): Float32Array | null {
  if (ropeScaling?.type !== "llama3") return null;
  return Float32Array.from({ length: headDim / 2 }, (_, j) => {
    const frequency = ropeTheta ** ((-2 * j) / headDim);
    return frequency / scaleFrequency(frequency, ropeScaling);
  });
}

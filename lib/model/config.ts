import { z } from "zod";
import { UserError } from "../errors.ts";

/** The shape of a Llama-architecture decoder: what the kernels need of a Hugging Face `config.json`. */
export interface ModelConfig {
  vocabSize: number;
  hiddenSize: number;
  /** Width of the SwiGLU layer, the `ff` of the shaders. */
  intermediateSize: number;
  numLayers: number;
  numHeads: number;
  numKeyValueHeads: number;
  headDim: number;
  rmsNormEps: number;
  ropeTheta: number;
  maxPositionEmbeddings: number;
  tieWordEmbeddings: boolean;
  bosTokenId: number | null;
  /** Any of these ends a completion. */
  eosTokenIds: number[];
}

const size = z.int().positive();
const tokenId = z.int().nonnegative();
const ropeParameters = z.strictObject({
  rope_theta: z.number().positive().nullish(),
  rope_type: z.literal("default").nullish(),
});

/** The fields that decide the computation. A default is the one `transformers` has for LlamaConfig. */
const llamaConfig = z.object({
  architectures: z.tuple([z.literal("LlamaForCausalLM")]),
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  rms_norm_eps: z.number().positive().default(1e-6),
  rope_theta: z.number().positive().nullish(),
  rope_parameters: ropeParameters.nullish(),
  max_position_embeddings: size.default(2048),
  tie_word_embeddings: z.boolean().default(false),
  bos_token_id: tokenId.nullish(),
  eos_token_id: z.union([tokenId, z.array(tokenId)]).nullish(),
});

/** Fields that change the computation, with the only value this decoder computes. */
const FIXED_FIELDS: Record<string, unknown> = {
  model_type: "llama",
  hidden_act: "silu",
  attention_dropout: 0,
  pretraining_tp: 1,
  is_encoder_decoder: false,
};

/** Fields that describe, or that only matter to other programs. */
const IGNORED_FIELDS = new Set(
  (
    "torch_dtype dtype transformers_version use_cache initializer_range pad_token_id unk_token_id " +
    "name_or_path output_attentions output_hidden_states return_dict torchscript id2label label2id " +
    "problem_type task_specific_params is_llama_config chunk_size_feed_forward max_length min_length " +
    "do_sample temperature top_k top_p repetition_penalty unsloth_version auto_map"
  ).split(" "),
);

/**
 * Reads a Hugging Face `config.json`. `source` names the file in messages. A field that would change the
 * computation and is not computed here is an error: a model must never run as something it is not.
 */
export function parseModelConfig(text: string, source: string): ModelConfig {
  const fail = (why: string): never => {
    throw new UserError(`${source}: ${why}`);
  };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return fail("not valid JSON; copy the model's config.json again");
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return fail("not a JSON object; expected a Hugging Face config.json");
  }
  const fields = json as Record<string, unknown>;
  const architecture = fields.architectures ?? "none";
  if (String(architecture) !== "LlamaForCausalLM") {
    fail(`the architecture ${architecture} is not supported; only LlamaForCausalLM is`);
  }
  for (const [name, value] of Object.entries(fields)) {
    if (name in FIXED_FIELDS) {
      if (value !== null && value !== FIXED_FIELDS[name]) {
        const only = JSON.stringify(FIXED_FIELDS[name]);
        fail(`${name} = ${JSON.stringify(value)} is not supported; only ${only} is`);
      }
    } else if (!(name in llamaConfig.shape) && !IGNORED_FIELDS.has(name)) {
      // null and false leave a feature off; an underscore marks a field of the library, not of the model
      if (value !== null && value !== false && !name.startsWith("_")) {
        const shown = JSON.stringify(value).slice(0, 60);
        fail(
          `the field ${name} = ${shown} is not supported and may change what the model computes`,
        );
      }
    }
  }
  const parsed = llamaConfig.safeParse(fields);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return fail(`${issue.path.join(".")}: ${issue.message}`);
  }
  const c = parsed.data;
  if (c.head_dim == null && c.hidden_size % c.num_attention_heads !== 0) {
    fail(`hidden_size ${c.hidden_size} is not a multiple of num_attention_heads`);
  }
  const config: ModelConfig = {
    vocabSize: c.vocab_size,
    hiddenSize: c.hidden_size,
    intermediateSize: c.intermediate_size,
    numLayers: c.num_hidden_layers,
    numHeads: c.num_attention_heads,
    numKeyValueHeads: c.num_key_value_heads ?? c.num_attention_heads,
    headDim: c.head_dim ?? c.hidden_size / c.num_attention_heads,
    rmsNormEps: c.rms_norm_eps,
    ropeTheta: c.rope_parameters?.rope_theta ?? c.rope_theta ?? 10000,
    maxPositionEmbeddings: c.max_position_embeddings,
    tieWordEmbeddings: c.tie_word_embeddings,
    bosTokenId: c.bos_token_id ?? null,
    eosTokenIds: c.eos_token_id == null ? [] : [c.eos_token_id].flat(),
  };
  if (config.numHeads % config.numKeyValueHeads !== 0) {
    fail("num_attention_heads must be a multiple of num_key_value_heads");
  }
  // the kernels read rows as vec4
  const rows = {
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    head_dim: config.headDim,
  };
  for (const [name, value] of Object.entries(rows)) {
    if (value % 4 !== 0) fail(`${name} must be a multiple of 4, not ${value}`);
  }
  for (const id of [config.bosTokenId ?? 0, ...config.eosTokenIds]) {
    if (id >= config.vocabSize) fail(`token id ${id} is outside vocab_size ${config.vocabSize}`);
  }
  return config;
}

/** The `config.json` that `transformers` and vLLM read; `parseModelConfig` gives the same config back. */
export function toHuggingFaceConfig(config: ModelConfig): Record<string, unknown> {
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.numLayers,
    num_attention_heads: config.numHeads,
    num_key_value_heads: config.numKeyValueHeads,
    head_dim: config.headDim,
    hidden_act: "silu",
    rms_norm_eps: config.rmsNormEps,
    rope_theta: config.ropeTheta,
    max_position_embeddings: config.maxPositionEmbeddings,
    tie_word_embeddings: config.tieWordEmbeddings,
    bos_token_id: config.bosTokenId,
    eos_token_id: config.eosTokenIds.length === 1 ? config.eosTokenIds[0] : config.eosTokenIds,
    attention_bias: false,
    mlp_bias: false,
    torch_dtype: "float32",
  };
}

/** Every weight of the model: Hugging Face name to shape, [out, in] for a matrix, in the file's order. */
export function tensorShapes(config: ModelConfig): Map<string, number[]> {
  const { hiddenSize: d, intermediateSize: ff, headDim, vocabSize } = config;
  const queryWidth = config.numHeads * headDim;
  const keyWidth = config.numKeyValueHeads * headDim;
  const shapes = new Map<string, number[]>([["model.embed_tokens.weight", [vocabSize, d]]]);
  for (let layer = 0; layer < config.numLayers; layer++) {
    const prefix = `model.layers.${layer}`;
    shapes.set(`${prefix}.input_layernorm.weight`, [d]);
    shapes.set(`${prefix}.self_attn.q_proj.weight`, [queryWidth, d]);
    shapes.set(`${prefix}.self_attn.k_proj.weight`, [keyWidth, d]);
    shapes.set(`${prefix}.self_attn.v_proj.weight`, [keyWidth, d]);
    shapes.set(`${prefix}.self_attn.o_proj.weight`, [d, queryWidth]);
    shapes.set(`${prefix}.post_attention_layernorm.weight`, [d]);
    shapes.set(`${prefix}.mlp.gate_proj.weight`, [ff, d]);
    shapes.set(`${prefix}.mlp.up_proj.weight`, [ff, d]);
    shapes.set(`${prefix}.mlp.down_proj.weight`, [d, ff]);
  }
  shapes.set("model.norm.weight", [d]);
  if (!config.tieWordEmbeddings) shapes.set("lm_head.weight", [vocabSize, d]);
  return shapes;
}

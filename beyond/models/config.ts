import { z } from "zod";
import { watched } from "#platform/watchdog.ts";
import { UserError } from "../../lib/errors.ts";
import type { ModelConfig } from "../../lib/model/config.ts";
import type { RopeScaling } from "../../lib/model/rope.ts";
import { flattenRope, gemmaConfig } from "./gemma.ts";

/** What a family computes, the defaults `transformers` has for it, and fields it alone may have. */
interface Family {
  modelType: string;
  qkvBias: boolean;
  qkNorm: boolean;
  maxPositionEmbeddings: number;
  headDim?: number;
  /** How many tokens back its layers look, null for all; fields as `transformers` reads them. */
  window?: (fields: Record<string, unknown>) => unknown;
  /** Fields with the only value this decoder computes. */
  fixed: Record<string, unknown>;
  /** Fields that mean nothing while the fixed ones are as they are. */
  ignored: string[];
  /** What `transformers` takes fields to be that are missing. */
  defaults?: Record<string, unknown>;
  /** What it computes otherwise than Llama, from fields of its own. */
  own?: {
    fields: string[];
    prepare: (fields: Record<string, unknown>, fail: (why: string) => never) => void;
    read: (fields: Record<string, unknown>, fail: (why: string) => never) => Partial<ModelConfig>;
  };
}

/** What `transformers` takes `sliding_window` to be where it is missing. */
const WINDOW = 4096;

const qwen = {
  maxPositionEmbeddings: 32768,
  window: ({ use_sliding_window, sliding_window }: Record<string, unknown>) =>
    use_sliding_window ? (sliding_window === undefined ? WINDOW : sliding_window) : null,
  fixed: { use_sliding_window: false },
  ignored: ["max_window_layers"],
};
const FAMILIES = {
  LlamaForCausalLM: {
    modelType: "llama",
    qkvBias: false,
    qkNorm: false,
    maxPositionEmbeddings: 2048,
    fixed: { attention_bias: false, mlp_bias: false, pretraining_tp: 1 },
    ignored: ["is_llama_config"],
  },
  MistralForCausalLM: {
    modelType: "mistral",
    qkvBias: false,
    qkNorm: false,
    maxPositionEmbeddings: 131072,
    window: ({ sliding_window }) => (sliding_window === undefined ? WINDOW : sliding_window),
    fixed: { sliding_window: null },
    ignored: [],
  },
  Qwen2ForCausalLM: { ...qwen, modelType: "qwen2", qkvBias: true, qkNorm: false },
  Qwen3ForCausalLM: {
    ...qwen,
    modelType: "qwen3",
    qkvBias: false,
    qkNorm: true,
    headDim: 128,
    fixed: { ...qwen.fixed, attention_bias: false },
  },
  Gemma3ForCausalLM: {
    modelType: "gemma3_text",
    qkvBias: false,
    qkNorm: true,
    maxPositionEmbeddings: 131072,
    headDim: 256,
    fixed: {
      hidden_act: "gelu_pytorch_tanh",
      hidden_activation: "gelu_pytorch_tanh",
      attention_bias: false,
      final_logit_softcapping: null,
      attn_logit_softcapping: null,
      use_bidirectional_attention: false,
    },
    ignored: ["cache_implementation"],
    defaults: { tie_word_embeddings: true, rope_theta: 1e6 },
    own: {
      fields: [
        "query_pre_attn_scalar",
        "sliding_window",
        "sliding_window_pattern",
        "rope_local_base_freq",
      ],
      prepare: flattenRope,
      read: gemmaConfig,
    },
  },
} satisfies Record<string, Family>;

export type Architecture = keyof typeof FAMILIES;

const size = z.int().positive();
/** Each layer is a list of tensors; the deepest models have some hundreds. */
const layers = size.max(1024);
const tokenId = z.int().nonnegative();
const positive = z.number().positive();
/** `rope_scaling` of a config.json, or the newer `rope_parameters`, which holds theta too. */
const ropeFields = z.strictObject({
  rope_theta: positive.nullish(),
  rope_type: z
    .enum(["default", "linear", "llama3"], {
      error: ({ input }) => `${input} is not supported; only linear and llama3 are`,
    })
    .nullish(),
  factor: positive.nullish(),
  low_freq_factor: positive.nullish(),
  high_freq_factor: positive.nullish(),
  original_max_position_embeddings: positive.nullish(),
  partial_rotary_factor: z.literal(1).nullish(),
});
type RopeFields = z.infer<typeof ropeFields>;

/** The fields that decide the computation. */
const fieldsThatCount = z.object({
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: layers,
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  rms_norm_eps: positive.default(1e-6),
  rope_theta: positive.nullish(),
  rope_scaling: ropeFields.nullish(),
  rope_parameters: ropeFields.nullish(),
  max_position_embeddings: size.nullish(),
  tie_word_embeddings: z.boolean().default(false),
  layer_types: z.array(z.enum(["full_attention", "sliding_attention"])).nullish(),
  bos_token_id: tokenId.nullish(),
  eos_token_id: z.union([tokenId, z.array(tokenId)]).nullish(),
});

/** Fields that describe, or that only matter to other programs. */
const IGNORED_FIELDS = new Set(
  (
    "architectures torch_dtype dtype transformers_version use_cache initializer_range pad_token_id unk_token_id " +
    "sep_token_id name_or_path output_attentions output_hidden_states return_dict torchscript id2label label2id " +
    "problem_type task_specific_params chunk_size_feed_forward max_length min_length tokenizer_class " +
    "do_sample temperature top_k top_p typical_p repetition_penalty length_penalty diversity_penalty num_beams " +
    "num_beam_groups num_return_sequences attn_implementation transformers.js_config unsloth_version " +
    "unsloth_fixed auto_map forced_bos_token_id forced_eos_token_id decoder_start_token_id bad_words_ids " +
    "suppress_tokens begin_suppress_tokens no_repeat_ngram_size encoder_no_repeat_ngram_size early_stopping " +
    "remove_invalid_values diversity_penalty exponential_decay_length_penalty output_scores " +
    "return_dict_in_generate tf_legacy_loss use_bfloat16 finetuning_task prefix use_flash_attn"
  ).split(" "),
);

/** Names of unknown fields that may tell of another computation; one with none of these in its name is noted. */
const COMPUTES = new RegExp(
  "attn|attention|norm|rope|rotary|position|bias|scal|multipl|cap|clip|expert|moe|router|window|layer|head|hidden|" +
    "act|mlp|ffn|emb|resid|skip|logit|softmax|mask|quant|bit|vocab|dim|size|len|kv|qk|query|key|cache|lora|adapter|drop|" +
    "sparse|gat|mup|eps|theta|factor|conv|ssm|mamba|state|chunk|causal|block|mix|loop|recur|depth|width|predict|" +
    "alibi|sink|temperature|num|tie|share|parallel|memory|linear|weight|init",
  "i",
);

/** Null, false and nothing leave a feature off; an underscore marks a field of the library, not of the model. */
const isOff = (name: string, value: unknown) =>
  value === null ||
  value === false ||
  name.startsWith("_") ||
  (typeof value === "object" && Object.keys(value).length === 0);

/**
 * Reads a Hugging Face `config.json`. `source` names the file in messages. A field that would change the
 * computation and is not computed here is an error: a model must never run as something it is not.
 */
export function parseModelConfig(
  text: string,
  source: string,
  note: (text: string) => void = () => {},
): ModelConfig {
  const fail = (why: string): never => {
    throw new UserError(`${source}: ${why}`);
  };
  let json: unknown;
  try {
    json = watched(source, () => JSON.parse(text));
  } catch {
    return fail("not valid JSON; copy the model's config.json again");
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return fail("not a JSON object; expected a Hugging Face config.json");
  }
  const fields = json as Record<string, unknown>;
  const named = [fields.architectures ?? []].flat()[0] ?? architectureOf(fields.model_type);
  const architecture = String(named ?? "none") as Architecture;
  if (!Object.hasOwn(FAMILIES, architecture)) {
    const known = Object.keys(FAMILIES).join(", ");
    fail(`the architecture ${architecture} is not supported; these are: ${known}`);
  }
  const family: Family = FAMILIES[architecture];
  const fixed: Record<string, unknown> = {
    model_type: family.modelType,
    hidden_act: "silu",
    partial_rotary_factor: 1,
    is_encoder_decoder: false,
    is_causal: true,
    ...family.fixed,
  };
  for (const [name, value] of Object.entries(family.defaults ?? {})) fields[name] ??= value;
  family.own?.prepare(fields, fail);
  const windowed = family.window ? ["sliding_window", "use_sliding_window"] : [];
  const own = family.own?.fields ?? [];
  const known = [...family.ignored, ...windowed, ...own, "attention_dropout"];
  if (fields.hidden_act === "swish") fields.hidden_act = "silu"; // another name of it
  for (const [name, value] of Object.entries(fields)) {
    if (name in fieldsThatCount.shape || IGNORED_FIELDS.has(name) || known.includes(name)) continue;
    const shown = JSON.stringify(value)?.slice(0, 60);
    if (name in fixed) {
      if (value !== null && value !== fixed[name]) {
        fail(`${name} = ${shown} is not supported; only ${JSON.stringify(fixed[name])} is`);
      }
    } else if (!isOff(name, value)) {
      if (COMPUTES.test(name)) {
        fail(
          `the field ${name} = ${shown} is not supported and may change what the model computes`,
        );
      }
      note(`the field ${name} = ${shown} of config.json is not used`);
    }
  }
  if (Number(fields.attention_dropout ?? 0) !== 0) {
    note(`attention_dropout = ${fields.attention_dropout} is not applied in training`);
  }
  const scaling = fields.rope_scaling;
  if (typeof scaling === "object" && scaling !== null && "type" in scaling) {
    const { type, ...rest } = scaling; // the name that `rope_type` had at first
    fields.rope_scaling = { rope_type: type, ...rest };
  }
  const parsed = fieldsThatCount.safeParse(fields);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return fail(`${issue.path.join(".")}: ${issue.message}`);
  }
  const c = parsed.data;
  const context = c.max_position_embeddings ?? family.maxPositionEmbeddings;
  const window = family.own
    ? Infinity
    : windowOf(family.window?.(fields), c.layer_types ?? [], fail);
  if (window < context) {
    note(`its layers look ${window} tokens back, so a prompt and its completion may have as many`);
  }
  const headDim = c.head_dim ?? family.headDim ?? c.hidden_size / c.num_attention_heads;
  if (!Number.isInteger(headDim)) {
    fail(`hidden_size ${c.hidden_size} is not a multiple of num_attention_heads`);
  }
  if (c.num_key_value_heads == null && architecture !== "LlamaForCausalLM") {
    fail("num_key_value_heads is missing");
  }
  if (c.rope_scaling && c.rope_parameters) {
    fail("rope_scaling and rope_parameters exclude each other");
  }
  const config: ModelConfig = {
    architecture,
    vocabSize: c.vocab_size,
    hiddenSize: c.hidden_size,
    intermediateSize: c.intermediate_size,
    numLayers: c.num_hidden_layers,
    numHeads: c.num_attention_heads,
    numKeyValueHeads: c.num_key_value_heads ?? c.num_attention_heads,
    headDim,
    rmsNormEps: c.rms_norm_eps,
    ropeTheta: c.rope_parameters?.rope_theta ?? c.rope_scaling?.rope_theta ?? c.rope_theta ?? 10000,
    ropeScaling: parseRopeScaling(c.rope_parameters ?? c.rope_scaling ?? {}, fail),
    maxPositionEmbeddings: Math.min(context, window),
    tieWordEmbeddings: c.tie_word_embeddings,
    qkvBias: family.qkvBias,
    qkNorm: family.qkNorm,
    ...family.own?.read(fields, fail),
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

const architectureOf = (modelType: unknown) =>
  Object.entries(FAMILIES).find(([, family]) => family.modelType === modelType)?.[0];

/**
 * How many tokens back layers look, infinite if all. A sequence that is no longer is computed as without a window.
 */
function windowOf(given: unknown, layers: readonly string[], fail: (why: string) => never): number {
  const slides = layers.includes("sliding_attention");
  const isWindow = Number.isInteger(given) && Number(given) > 0;
  if (given !== null && given !== undefined && !isWindow) {
    fail(`sliding_window = ${JSON.stringify(given).slice(0, 40)} is no number of tokens`);
  }
  if (slides && !isWindow)
    fail("layer_types has sliding_attention, and there is no sliding_window");
  return isWindow && (layers.length === 0 || slides) ? Number(given) : Number.POSITIVE_INFINITY;
}

/**
 * The `config.json` of a model that was trained from another: that one's, every number with its digits, but for
 * what is no longer true of it.
 * @param text the other's, which gave `config`
 */
export function trainedConfig(text: string, config: ModelConfig): string {
  const fields = JSON.parse(text, asWritten as Parameters<typeof JSON.parse>[1]);
  fields.architectures ??= [config.architecture]; // vLLM needs it
  const { defaults }: Family = FAMILIES[config.architecture as Architecture];
  const tied = fields.tie_word_embeddings ?? defaults?.tie_word_embeddings ?? false;
  if (tied !== config.tieWordEmbeddings) {
    fields.tie_word_embeddings = config.tieWordEmbeddings;
  }
  fields["dtype" in fields ? "dtype" : "torch_dtype"] = "float32";
  return `${JSON.stringify(fields, null, 2)}\n`;
}

/**
 * The text of a `config.json` that no program wrote yet. Some fields have a point even where they are whole: Python
 * reads 4 as another type than 4.0, which vLLM does not take for a factor.
 */
export const newConfig = (fields: object): string =>
  JSON.stringify(fields, (key, value) =>
    REAL_FIELDS.has(key) && Number.isInteger(value) ? rawJSON(`${value}.0`) : value,
  );

const REAL_FIELDS = new Set(["rope_theta", "factor", "low_freq_factor", "high_freq_factor"]);

/** Keeps a number as its file has it: 1e-05 stays that, and 10000.0. */
const asWritten = (_: string, value: unknown, { source }: { source: string }) =>
  typeof value === "number" ? rawJSON(source) : value;
/** Of ECMAScript 2026; TypeScript does not know it yet. */
const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown };

/** Reads the scaling; `fail` is told of a field that is missing. */
function parseRopeScaling(given: RopeFields, fail: (why: string) => never): RopeScaling | null {
  const type = given.rope_type ?? "default";
  const need = (name: Exclude<keyof RopeFields, "rope_type">) =>
    given[name] ?? fail(`RoPE scaling of type ${type} needs ${name}`);
  if (type === "default") return null;
  if (type === "linear") return { type, factor: need("factor") };
  return {
    type,
    factor: need("factor"),
    lowFreqFactor: need("low_freq_factor"),
    highFreqFactor: need("high_freq_factor"),
    originalMaxPositionEmbeddings: need("original_max_position_embeddings"),
  };
}

/** The `rope_scaling` that `parseRopeScaling` reads back. */
export function toRopeFields(scaling: RopeScaling | null): RopeFields | null {
  if (scaling?.type !== "llama3") return scaling && { rope_type: "linear", factor: scaling.factor };
  return {
    rope_type: "llama3",
    factor: scaling.factor,
    low_freq_factor: scaling.lowFreqFactor,
    high_freq_factor: scaling.highFreqFactor,
    original_max_position_embeddings: scaling.originalMaxPositionEmbeddings,
  };
}

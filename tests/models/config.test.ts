import { describe, expect, test } from "bun:test";
import { newConfig, parseModelConfig, trainedConfig } from "../../beyond/models/config.ts";
import { UserError } from "../../lib/errors.ts";
import { tensorShapes } from "../../lib/model/parameters.ts";

/** TinyLlama's shape, shrunk, as `transformers` writes it. */
const llama = {
  architectures: ["LlamaForCausalLM"],
  attention_bias: false,
  bos_token_id: 1,
  eos_token_id: 2,
  hidden_act: "silu",
  hidden_size: 64,
  initializer_range: 0.02,
  intermediate_size: 172,
  max_position_embeddings: 256,
  model_type: "llama",
  num_attention_heads: 8,
  num_hidden_layers: 2,
  num_key_value_heads: 2,
  pretraining_tp: 1,
  rms_norm_eps: 1e-5,
  rope_scaling: null,
  rope_theta: 500000.0,
  tie_word_embeddings: false,
  torch_dtype: "bfloat16",
  transformers_version: "4.35.0",
  use_cache: true,
  vocab_size: 100,
  _name_or_path: "x",
};
const llama3 = {
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 64,
};
const family = (architecture: string, modelType: string) => ({
  architectures: [architecture],
  model_type: modelType,
  pretraining_tp: undefined,
  attention_bias: undefined,
});
const parse = (changes: object = {}) =>
  parseModelConfig(JSON.stringify({ ...llama, ...changes }), "m/config.json");

describe("parseModelConfig", () => {
  test("reads a Hugging Face Llama config", () => {
    expect(parse()).toEqual({
      architecture: "LlamaForCausalLM",
      vocabSize: 100,
      hiddenSize: 64,
      intermediateSize: 172,
      numLayers: 2,
      numHeads: 8,
      numKeyValueHeads: 2,
      headDim: 8,
      rmsNormEps: 1e-5,
      ropeTheta: 500000,
      ropeScaling: null,
      maxPositionEmbeddings: 256,
      tieWordEmbeddings: false,
      qkvBias: false,
      qkNorm: false,
      bosTokenId: 1,
      eosTokenIds: [2],
    });
  });

  test("reads what newer versions of transformers write, and lists of end tokens", () => {
    const config = parse({
      rope_theta: undefined,
      rope_parameters: { rope_theta: 1234, rope_type: "default" },
      dtype: "float32",
      eos_token_id: [2, 7],
      num_key_value_heads: undefined,
      head_dim: 16,
    });
    expect(config.ropeTheta).toBe(1234);
    expect(config.eosTokenIds).toEqual([2, 7]);
    expect(config.numKeyValueHeads).toBe(8);
    expect(config.headDim).toBe(16);
  });

  test("reads the other families, whose fields depend on each other", () => {
    const qwen2 = parse({
      ...family("Qwen2ForCausalLM", "qwen2"),
      use_sliding_window: false,
      sliding_window: 131072,
      max_window_layers: 28,
      layer_types: ["full_attention", "full_attention"],
    });
    expect([qwen2.qkvBias, qwen2.qkNorm, qwen2.headDim]).toEqual([true, false, 8]);
    const qwen3 = parse(family("Qwen3ForCausalLM", "qwen3"));
    expect([qwen3.qkvBias, qwen3.qkNorm, qwen3.headDim]).toEqual([false, true, 128]);
    const mistral = parse({ ...family("MistralForCausalLM", "mistral"), sliding_window: null });
    expect([mistral.qkvBias, mistral.qkNorm, mistral.headDim]).toEqual([false, false, 8]);
  });

  test("reads scaled RoPE in both spellings", () => {
    const linear = { type: "linear", factor: 2 };
    expect(parse({ rope_scaling: linear }).ropeScaling).toEqual({ type: "linear", factor: 2 });
    const fields = { rope_type: "llama3", ...llama3, rope_theta: 9 };
    const scaling = {
      type: "llama3",
      factor: 8,
      lowFreqFactor: 1,
      highFreqFactor: 4,
      originalMaxPositionEmbeddings: 64,
    } as const;
    const { rope_theta, ...old } = fields;
    expect(parse({ rope_scaling: old })).toMatchObject({ ropeScaling: scaling, ropeTheta: 5e5 });
    const parameters = parse({ rope_parameters: fields, rope_theta: undefined });
    expect(parameters).toMatchObject({ ropeScaling: scaling, ropeTheta: 9 });
  });

  test("survives the way out and back in", () => {
    for (const changes of [
      family("Qwen2ForCausalLM", "qwen2"),
      family("Qwen3ForCausalLM", "qwen3"),
      { ...family("MistralForCausalLM", "mistral"), sliding_window: null },
      { rope_scaling: { type: "linear", factor: 2 } },
      { rope_scaling: { rope_type: "llama3", ...llama3 } },
      {},
      { eos_token_id: [3, 4], bos_token_id: null },
      { eos_token_id: null },
    ]) {
      const config = parse(changes);
      const text = trainedConfig(JSON.stringify({ ...llama, ...changes }), config);
      expect(parseModelConfig(text, "again")).toEqual(config);
    }
  });

  test("keeps every field and digit on the way out, but for the type and a head of its own", () => {
    const text = `{
  "architectures": ["LlamaForCausalLM"],
  "vocab_size": 100, "hidden_size": 64, "intermediate_size": 172, "num_hidden_layers": 2, "num_attention_heads": 8,
  "rms_norm_eps": 1e-05,
  "rope_theta": 500000.0,
  "rope_scaling": { "type": "linear", "factor": 2.0 },
  "initializer_range": 0.020000000000000001,
  "pad_token_id": 128004,
  "_seed": 12345678901234567890,
  "tie_word_embeddings": true,
  "dtype": "bfloat16"
}`;
    const config = { ...parseModelConfig(text, "config.json"), tieWordEmbeddings: false };
    const spaces = (json: string) => json.replace(/\s+/g, "");
    const expected = text.replace("bfloat16", "float32").replace("true", "false");
    expect(spaces(trainedConfig(text, config))).toBe(spaces(expected));
    const plain = '{"model_type": "llama"}';
    expect(JSON.parse(trainedConfig(plain, { ...config, tieWordEmbeddings: false }))).toEqual({
      model_type: "llama",
      architectures: ["LlamaForCausalLM"],
      torch_dtype: "float32",
    });
  });

  test("a config of our own has floats where Python wants them", () => {
    const fields = { vocab_size: 4, rope_theta: 10000, rope_scaling: { factor: 4, x: 1.5 } };
    expect(newConfig(fields)).toBe(
      '{"vocab_size":4,"rope_theta":10000.0,"rope_scaling":{"factor":4.0,"x":1.5}}',
    );
  });

  test("accepts what published models have and does not matter", () => {
    const published = {
      is_llama_config: true, // these three: SmolLM2
      rope_interleaved: false,
      "transformers.js_config": { kv_cache_dtype: { fp16: "float16" } },
      unsloth_fixed: true,
      attn_implementation: "sdpa",
    };
    expect(parse(published)).toEqual(parse());
  });

  test("a sliding window bounds the context, in which it hides nothing", () => {
    const lengthOf = (changes: object) =>
      parse({ max_position_embeddings: 32768, ...changes }).maxPositionEmbeddings;
    const mistral = family("MistralForCausalLM", "mistral");
    expect(lengthOf({ ...mistral, sliding_window: null })).toBe(32768);
    expect(lengthOf({ ...mistral, sliding_window: 65536 })).toBe(32768);
    expect(lengthOf({ ...mistral, sliding_window: 1024 })).toBe(1024);
    expect(lengthOf(mistral)).toBe(4096);
    const qwen = { ...family("Qwen2ForCausalLM", "qwen2"), sliding_window: 1024 };
    expect(lengthOf(qwen)).toBe(32768);
    expect(lengthOf({ ...qwen, use_sliding_window: true })).toBe(1024);
    const layers = (...layer_types: string[]) =>
      lengthOf({ ...qwen, use_sliding_window: true, layer_types });
    expect(layers("full_attention", "full_attention")).toBe(32768);
    expect(layers("full_attention", "sliding_attention")).toBe(1024);
  });

  test("takes other spellings of what it computes", () => {
    const rope_parameters = { rope_theta: 5e5, rope_type: "default", partial_rotary_factor: 1 };
    for (const changes of [
      { architectures: undefined },
      { architectures: [] },
      { hidden_act: "swish" },
      { attention_dropout: 0.1 },
      { partial_rotary_factor: 1.0 },
      { rope_theta: undefined, rope_parameters },
      { pruned_heads: {}, mup: false },
    ]) {
      expect(parse(changes)).toEqual(parse());
    }
  });

  test("notes what it does not use", () => {
    const notes: string[] = [];
    const json = { ...llama, attention_dropout: 0.1, made_by: "me", tags: [] };
    parseModelConfig(JSON.stringify(json), "m/config.json", (text) => notes.push(text));
    expect(notes).toEqual([
      'the field made_by = "me" of config.json is not used',
      "attention_dropout = 0.1 is not applied in training",
    ]);
  });

  const wrong: [string, object, RegExp][] = [
    ["another architecture", { architectures: ["GemmaForCausalLM"] }, /GemmaForCausalLM/],
    ["a family under another's name", { model_type: "qwen2" }, /model_type = "qwen2"/],
    ["layers of another kind", { layer_types: ["sliding_attention"] }, /layer_types/],
    ["no architecture", { architectures: [], model_type: "bert" }, /architecture none/],
    [
      "a window of no tokens",
      { ...family("MistralForCausalLM", "mistral"), sliding_window: 0 },
      /sliding_window = 0 is no number of tokens/,
    ],
    [
      "half a RoPE scaling",
      { rope_scaling: { rope_type: "llama3", factor: 8 } },
      /low_freq_factor/,
    ],
    ["RoPE scaled otherwise", { rope_scaling: { type: "dynamic", factor: 8 } }, /dynamic/],
    ["the same, new style", { rope_parameters: { rope_type: "yarn" } }, /rope_parameters.*yarn/],
    [
      "an unknown field of it",
      { rope_scaling: { type: "linear", factor: 8, attention_factor: 2 } },
      /attention_factor/,
    ],
    ["attention bias", { attention_bias: true }, /attention_bias/],
    ["MLP bias", { mlp_bias: true }, /mlp_bias/],
    ["another activation", { hidden_act: "gelu" }, /hidden_act = "gelu"/],
    ["GPTQ", { quantization_config: { quant_method: "gptq", bits: 4 } }, /quantization_config = /],
    ["attention both ways", { is_causal: false }, /is_causal = false/],
    ["half a rotation", { partial_rotary_factor: 0.5 }, /partial_rotary_factor = 0.5/],
    ["Granite's scaling of logits", { logits_scaling: 8 }, /logits_scaling = 8/],
    ["Gemma's cap of logits", { final_logit_softcapping: 30 }, /final_logit_softcapping/],
    ["experts", { num_local_experts: 8 }, /num_local_experts = 8/],
    ["heads for the next tokens", { num_nextn_predict_layers: 1 }, /num_nextn_predict_layers/],
    ["a field nobody knows", { sandwich_norm: true }, /sandwich_norm/],
    ["a missing size", { hidden_size: undefined }, /hidden_size/],
    ["a size below zero", { vocab_size: -1 }, /vocab_size: /],
    ["a size that is no whole number", { head_dim: 8.5 }, /head_dim: /],
    ["a size beyond counting", { hidden_size: 1e300 }, /hidden_size: /],
    ["layers without end", { num_hidden_layers: 1e9 }, /num_hidden_layers: .*1024/],
    ["a size that is text", { num_hidden_layers: "2" }, /num_hidden_layers/],
    ["rows not of vec4", { intermediate_size: 170 }, /intermediate_size must be a multiple of 4/],
    ["a head not of vec4", { head_dim: 6 }, /head_dim must be a multiple of 4/],
    ["heads that do not divide", { num_key_value_heads: 3 }, /num_key_value_heads/],
    ["an end token outside", { eos_token_id: 100 }, /token id 100/],
  ];
  test.each(wrong)("refuses %s", (_, changes, message) => {
    expect(() => parse(changes)).toThrow(UserError);
    expect(() => parse(changes)).toThrow(message);
    expect(() => parse(changes)).toThrow(/^m\/config\.json: .*$/);
  });

  test("refuses a broken file", () => {
    expect(() => parseModelConfig('{"archi', "m/config.json")).toThrow(/not valid JSON/);
    expect(() => parseModelConfig("[]", "m/config.json")).toThrow(/not a JSON object/);
    const withNaN = JSON.stringify({ ...llama, rms_norm_eps: 7 }).replace(":7", ":NaN");
    expect(() => parseModelConfig(withNaN, "m/config.json")).toThrow(/not valid JSON/);
    const infinite = JSON.stringify({ ...llama, rope_theta: 7 }).replace(":7", ":1e999");
    expect(() => parseModelConfig(infinite, "m/config.json")).toThrow(/rope_theta: /);
  });
});

describe("tensorShapes", () => {
  test("lists grouped-query shapes as [out, in]", () => {
    const shapes = tensorShapes(parse());
    expect(shapes.size).toBe(3 + 2 * 9);
    expect(shapes.get("model.layers.1.self_attn.k_proj.weight")).toEqual([16, 64]);
    expect(shapes.get("model.layers.0.mlp.down_proj.weight")).toEqual([64, 172]);
    expect(shapes.get("lm_head.weight")).toEqual([100, 64]);
  });

  test("a tied head has no tensor", () => {
    expect(tensorShapes(parse({ tie_word_embeddings: true })).has("lm_head.weight")).toBe(false);
  });
});

import { describe, expect, test } from "bun:test";
import { UserError } from "../../lib/errors.ts";
import { parseModelConfig, tensorShapes, toHuggingFaceConfig } from "../../lib/model/config.ts";

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
const parse = (changes: object = {}) =>
  parseModelConfig(JSON.stringify({ ...llama, ...changes }), "m/config.json");

describe("parseModelConfig", () => {
  test("reads a Hugging Face Llama config", () => {
    expect(parse()).toEqual({
      vocabSize: 100,
      hiddenSize: 64,
      intermediateSize: 172,
      numLayers: 2,
      numHeads: 8,
      numKeyValueHeads: 2,
      headDim: 8,
      rmsNormEps: 1e-5,
      ropeTheta: 500000,
      maxPositionEmbeddings: 256,
      tieWordEmbeddings: false,
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

  test("survives the way out and back in", () => {
    for (const changes of [
      {},
      { eos_token_id: [3, 4], bos_token_id: null },
      { eos_token_id: null },
    ]) {
      const config = parse(changes);
      const text = JSON.stringify(toHuggingFaceConfig(config));
      expect(parseModelConfig(text, "again")).toEqual(config);
    }
  });

  const wrong: [string, object, RegExp][] = [
    ["another architecture", { architectures: ["Qwen2ForCausalLM"] }, /Qwen2ForCausalLM/],
    ["no architecture", { architectures: undefined }, /architecture none/],
    ["scaled RoPE", { rope_scaling: { rope_type: "llama3", factor: 8 } }, /rope_scaling/],
    ["scaled RoPE, new style", { rope_parameters: { rope_type: "yarn" } }, /rope_parameters/],
    ["attention bias", { attention_bias: true }, /attention_bias/],
    ["MLP bias", { mlp_bias: true }, /mlp_bias/],
    ["another activation", { hidden_act: "gelu" }, /hidden_act = "gelu"/],
    ["quantised weights", { quantization_config: { bits: 4 } }, /quantization_config/],
    ["a field nobody knows", { sandwich_norm: true }, /sandwich_norm/],
    ["a missing size", { hidden_size: undefined }, /hidden_size/],
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

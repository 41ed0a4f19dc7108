import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { openGgufModel } from "../../beyond/gguf/open.ts";
import { makeOps } from "../../beyond/kernels/ops.ts";
import { LoraDelta, LoraScratch } from "../../beyond/lora/delta.ts";
import { LORA_TARGETS, LoraLayout, LoraWeights } from "../../beyond/lora/lora.ts";
import { parseModelConfig } from "../../beyond/models/config.ts";
import { openModelFolder } from "../../beyond/models/folder.ts";
import type { StoredTensor } from "../../beyond/models/safetensors.ts";
import { Random } from "../../beyond/oracle/random.ts";
import { SystemGpu } from "../../beyond/platform/gpu.ts";
import { BASE_DTYPES, type BaseDtype, baseFormats } from "../../beyond/storage/base-formats.ts";
import type { Dtype } from "../../beyond/storage/precision.ts";
import { FROZEN_FORMATS, getValues, setValues } from "../../beyond/storage/weight-formats.ts";
import type { ModelConfig } from "../../lib/model/config.ts";
import { Decoder } from "../../lib/model/decoder.ts";
import { Sampler } from "../../lib/model/generate.ts";
import { PackedBatch } from "../../lib/model/packing.ts";
import { ParameterLayout, Parameters, tensorShapes } from "../../lib/model/parameters.ts";
import { SamplerMemory } from "../../lib/model/sampler-memory.ts";
import { TrainingMemory, TrainingPass } from "../../lib/model/training-pass.ts";
import { expectClose } from "../oracle/compare.ts";
import { randomWeights } from "../oracle/decoder.ts";

setDefaultTimeout(300_000);

// Bindings of 2 KiB cut every matrix in blocks.
const gpu = await SystemGpu.open(undefined, { bindingLimit: 2048 });
afterAll(() => gpu.destroy());

const shape = {
  architectures: ["Qwen3ForCausalLM"],
  model_type: "qwen3",
  vocab_size: 83,
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 16,
  hidden_act: "silu",
  rms_norm_eps: 1e-6,
  rope_theta: 10000,
  max_position_embeddings: 64,
  tie_word_embeddings: true,
  eos_token_id: 0,
};
const config: ModelConfig = parseModelConfig(JSON.stringify(shape), "config.json");
const weights = randomWeights(config, new Random(41));
const lora = { rank: 4, alpha: 8, targets: LORA_TARGETS };
const maxTokens = 64;

/** The model with its matrices in a format, and one in f32 with the numbers that format leaves. */
async function open(dtype: BaseDtype) {
  const formats = baseFormats({ baseDtype: dtype, dtype: "f32" }, new Map());
  const layout = new ParameterLayout(config, gpu, formats);
  const frozen = new Parameters(gpu, layout, "weights", "weights");
  const plain = new Parameters(gpu, new ParameterLayout(config, gpu), "weights", "weights");
  for (const [name, data] of weights) {
    setValues(gpu, frozen, name, Float32Array.from(data));
    plain.set(gpu, name, await getValues(gpu, frozen, name));
  }
  const loraLayout = new LoraLayout(config, lora, gpu);
  const loraWeights = new LoraWeights(gpu, loraLayout, "weights", "adapters");
  const gradients = new LoraWeights(gpu, loraLayout, "gradients", "gradients");
  const random = new Random(42);
  for (const [name, [rows, columns]] of loraLayout.shapes) {
    loraWeights.set(gpu, name, Float32Array.from(random.normal(rows * columns, 0.2)));
  }
  const table = gpu.allocate("buffers", "RoPE", 64 * config.headDim);
  const decoder = new Decoder(gpu, config, table, makeOps(gpu, config.headDim));
  const scratch = new LoraScratch(gpu, maxTokens, lora.rank, true);
  const delta = new LoraDelta(decoder.ops, loraWeights, scratch, gradients);
  const adapted = ({ embedding, head, finalNorm, layers }: Parameters) => ({
    ...{ embedding, head, finalNorm, layers },
    delta,
  });
  const trainingPass = new TrainingPass(gpu, decoder, new TrainingMemory(gpu, config, maxTokens));
  return { layout, frozen, plain, adapted, loraLayout, gradients, decoder, trainingPass };
}

const batch = new PackedBatch(maxTokens);
batch.add([5, 9, 70], [[1, 2, 3, 4], [80]]);
batch.add([6], [[7, 8, 82]]);
const upstream = Float32Array.from(new Random(43).normal(batch.predictions));

test.each(FROZEN_FORMATS)("%s computes what f32 does with the same numbers", async (format) => {
  const model = await open(format);
  const { frozen, plain, adapted, gradients, trainingPass } = model;
  expect(frozen.layers[0].down.format).toBe(format);
  expect(frozen.layers[0].down.blocks.length).toBeGreaterThan(1);
  const pass = async (of: Parameters) => {
    const [logprobs, entropies, reference, unused] = Array.from(
      { length: 4 },
      () => new Float32Array(batch.predictions),
    );
    gradients.clear(gpu);
    await trainingPass.logprobs(adapted(of), batch, 0.9, logprobs, entropies);
    trainingPass.backward(adapted(of), {}, batch, 0.9, upstream);
    const found = new Map<string, Float32Array>([
      ["logprobs", logprobs],
      ["entropies", entropies],
    ]);
    for (const name of model.loraLayout.shapes.keys()) {
      found.set(name, await gradients.get(gpu, name));
    }
    // with the adapters off it is the base again: the reference of a KL penalty
    await trainingPass.logprobs(of, batch, 0.9, reference, unused);
    return found.set("logprobs of the base", reference);
  };
  const [found, expected] = [await pass(frozen), await pass(plain)];
  for (const [name, values] of expected) {
    expectClose(found.get(name) as Float32Array, values, { name, relative: 1e-5 });
  }
  expect(found.get("logprobs")).not.toEqual(found.get("logprobs of the base"));
});

test.each(FROZEN_FORMATS)("%s: the same bits whatever the batch", async (format) => {
  const { frozen, adapted, decoder } = await open(format);
  const requests = [[1], [4, 5, 6], [7, 8, 9, 10]].map((prompt, slot) => {
    return { prompt, samples: 5, slot };
  });
  const settings = {
    ...{ temperature: 0.9, topK: 0, topP: 1, minP: 0, maxNewTokens: 6 },
    stopIds: new Set([0]),
    seed: [1, 2] as const,
    step: 3,
  };
  const completions: unknown[] = [];
  for (const rows of [1, 3, 15]) {
    const sizes = { rows, promptSlots: 3, maxPromptTokens: 4, maxNewTokens: 6 };
    const memory = new SamplerMemory(gpu, config, sizes);
    const sampler = new Sampler(gpu, decoder, memory);
    completions.push(await sampler.generate(adapted(frozen), requests, settings));
  }
  expect(completions[1]).toEqual(completions[0]);
  expect(completions[2]).toEqual(completions[0]);
});

describe("--base-dtype", () => {
  /** The format of each matrix, by the last part of its name. */
  const formatsOf = (
    baseDtype: BaseDtype,
    types: Record<string, string>,
    model = config,
    dtype: Dtype = "f32",
  ) => {
    const stored = new Map<string, StoredTensor>();
    for (const [name, shape] of tensorShapes(model)) {
      const key = Object.keys(types).find((part) => name.includes(part));
      if (key !== undefined)
        stored.set(name, { dtype: types[key], shape, bytes: new Blob(), source: "m" });
    }
    const formats = baseFormats({ baseDtype, dtype }, stored);
    const layout = new ParameterLayout(model, gpu, formats);
    const prefix = "model.layers.1.";
    const names = ["self_attn.q_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.down_proj"];
    return [
      layout.format("model.embed_tokens.weight"),
      ...names.map((name) => layout.format(`${prefix}${name}.weight`)),
      layout.format(`${prefix}input_layernorm.weight`),
    ];
  };

  test("auto keeps what the file has; of what it cannot keep, f16", () => {
    const gguf = { embed: "Q8_0", down: "Q6_K", _proj: "Q4_1" };
    expect(formatsOf("auto", gguf)).toEqual(["q8_0", "q4_1", "q4_1", "q4_1", "f16", "f32"]);
    const mixed = formatsOf("auto", { v_proj: "Q8_0", o_proj: "F32", _proj: "F16" });
    expect(mixed).toEqual(["f16", "f16", "f16", "f32", "f16", "f32"]); // q, k and v are one matrix
    expect(formatsOf("auto", { "": "BF16" })).toEqual(["f16", "f16", "f16", "f16", "f16", "f32"]);
    expect(formatsOf("auto", {})).toEqual(formatsOf("f16", {}));
    expect(formatsOf("auto", { "": "F32" })).toEqual(formatsOf("f32", {}));
    expect(formatsOf("auto", { "": "F32" }, config, "f16")).toEqual(formatsOf("f16", {}));
  });

  test("a plan knows the types of tensors where there are files, and does without", async () => {
    const wanted = { weights: "if there", tokenizer: false } as const;
    const gguf = await openGgufModel(`${import.meta.dir}/../golden/gguf-qwen2.gguf`, wanted);
    const types = new Set(Array.from(gguf.tensors.values(), ({ dtype }) => dtype));
    expect(types).toContain("Q4_1");
    const folder = `${import.meta.dir}/../configs/qwen2.5-0.5b`;
    expect((await openModelFolder(folder, wanted)).tensors.size).toBe(0);
  });

  test("one format for all matrices, embedding and head at least q8_0, odd widths f16", () => {
    expect(formatsOf("f32", { "": "Q8_0" })).toEqual(new Array(6).fill("f32"));
    expect(formatsOf("q8_0", {})).toEqual(["q8_0", "q8_0", "q8_0", "q8_0", "q8_0", "f32"]);
    expect(formatsOf("q4_1", {})).toEqual(["q8_0", "q4_1", "q4_1", "q4_1", "q4_1", "f32"]);
    const odd = { ...config, intermediateSize: 92 };
    expect(formatsOf("q4_1", {}, odd)).toEqual(["q8_0", "q4_1", "q4_1", "q4_1", "f16", "f32"]);
    expect(new Set(BASE_DTYPES)).toEqual(new Set(["auto", "f32", ...FROZEN_FORMATS]));
  });
});

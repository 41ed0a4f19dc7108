import { Random } from "../lib/data/random.ts";
import type { Gpu } from "../lib/gpu/device.ts";
import { parseModelConfig, tensorShapes } from "../lib/model/config.ts";
import { openEmbeddedModel } from "../lib/model/embedded.ts";
import type { ModelFolder } from "../lib/model/folder.ts";
import type { Slabs } from "../lib/model/slabs.ts";
import type { PolicyNeeds } from "../lib/policy/memory-plan.ts";
import { openNamedModel } from "../lib/policy/named-model.ts";
import { Policy } from "../lib/policy/policy.ts";
import { EMBEDDED } from "../lib/settings/shared.ts";

/** Shapes of models, small to large, with at most 2,048 positions; their weights are drawn. */
const SHAPES = {
  "random-1M": llama({ hidden: 128, ff: 352, layers: 4, heads: 4, kvHeads: 2, vocabulary: 1024 }),
  "random-11M": llama({ hidden: 320, ff: 864, layers: 8, heads: 5, kvHeads: 5, vocabulary: 4096 }),
  "random-36M": llama({
    hidden: 512,
    ff: 1408,
    layers: 10,
    heads: 8,
    kvHeads: 8,
    vocabulary: 8192,
  }),
  // as SmolLM2-135M, Qwen2.5-0.5B and Llama-3.2-1B
  "random-135M": llama({
    hidden: 576,
    ff: 1536,
    layers: 30,
    heads: 9,
    kvHeads: 3,
    vocabulary: 49152,
  }),
  "random-494M": llama({
    hidden: 896,
    ff: 4864,
    layers: 24,
    heads: 14,
    kvHeads: 2,
    vocabulary: 151936,
  }),
  "random-1.2B": llama({
    hidden: 2048,
    ff: 8192,
    layers: 16,
    heads: 32,
    kvHeads: 8,
    vocabulary: 128256,
  }),
} as const;

export const RANDOM_MODELS = Object.keys(SHAPES);

function llama(
  shape: Record<"hidden" | "ff" | "layers" | "heads" | "kvHeads" | "vocabulary", number>,
) {
  const json = {
    architectures: ["LlamaForCausalLM"],
    vocab_size: shape.vocabulary,
    hidden_size: shape.hidden,
    intermediate_size: shape.ff,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.kvHeads,
    max_position_embeddings: 2048,
    tie_word_embeddings: true,
  };
  return parseModelConfig(JSON.stringify(json), "a model with random weights");
}

/** Opens what `--model` may name, or one of `RANDOM_MODELS`, without its weights. */
export async function openBenchModel(name: string): Promise<ModelFolder> {
  const config = (SHAPES as Record<string, ModelFolder["config"]>)[name];
  if (!config) return openNamedModel(name);
  const { files } = await openEmbeddedModel({ weights: false }); // any tokenizer does
  return { source: name, config, tensors: new Map(), files };
}

/** A policy from such a model; random weights are drawn. */
export async function openBenchPolicy(gpu: Gpu, name: string, needs: PolicyNeeds): Promise<Policy> {
  const model = await openBenchModel(name);
  const policy = await Policy.open(gpu, model, needs);
  if (model.tensors.size === 0) {
    fill(gpu, policy.trained);
    policy.refresh();
  }
  return policy;
}

/** Uniform numbers of standard deviation 0.02, the same few over and over: it is the shapes that take time. */
function fill(gpu: Gpu, weights: Slabs): void {
  const random = new Random(1);
  const noise = Float32Array.from({ length: 1 << 20 }, () => 0.07 * (random.float() - 0.5));
  for (const [name, shape] of weights.layout.shapes) {
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
    if (shape.length === 1) values.fill(1);
    else {
      for (let at = 0; at < values.length; at += noise.length) {
        values.set(noise.subarray(0, values.length - at), at);
      }
    }
    weights.set(gpu, name, values);
  }
}

export const parameterCount = ({ config }: ModelFolder) =>
  [...tensorShapes(config).values()].reduce(
    (sum, shape) => sum + shape.reduce((a, b) => a * b, 1),
    0,
  );

/** A name short enough for a table: the last part of a path, without its ending. */
export const shortName = (model: string) =>
  model === EMBEDDED ? "embedded model" : (model.split("/").pop() ?? model).replace(/\.gguf$/, "");

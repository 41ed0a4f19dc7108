import type { PolicyNeeds } from "../beyond/memory/memory-plan.ts";
import { openEmbeddedModel } from "../beyond/models/embedded.ts";
import type { ModelFolder } from "../beyond/models/folder.ts";
import { openNamedModel } from "../beyond/opening/named-model.ts";
import { OpenPolicy } from "../beyond/opening/policy.ts";
import type { SystemGpu } from "../beyond/platform/gpu.ts";
import { EMBEDDED } from "../beyond/settings/shared.ts";
import { setValues } from "../beyond/storage/weight-formats.ts";
import { tuneFor } from "../beyond/tuning/tuning.ts";
import type { SlabLayout, Slabs } from "../lib/model/slabs.ts";
import { Random } from "../lib/random.ts";
import type { Bench } from "./harness.ts";
import { LLAMA_SHAPE, oneLayer, QWEN_SHAPE, SMOLLM2_SHAPE, shape } from "./shapes.ts";

/** Models with drawn weights, small to large. */
const DRAWN = [
  shape("random-1M", [128, 352, 4], [4, 2, 32], 1024),
  shape("random-11M", [320, 864, 8], [5, 5, 64], 4096),
  shape("random-36M", [512, 1408, 10], [8, 8, 64], 8192),
  { ...SMOLLM2_SHAPE, name: "random-135M" },
  { ...QWEN_SHAPE, name: "random-494M" },
  { ...LLAMA_SHAPE, name: "random-1.2B" },
];
export const RANDOM_MODELS = DRAWN.map(({ name }) => name);

/** Models with long texts: two layers do for what a layer takes. */
const SHALLOW = [SMOLLM2_SHAPE, QWEN_SHAPE].map((one) => ({
  ...one,
  name: `${one.name}, 2 layers`,
  layers: 2,
}));
export const SHALLOW_MODELS = SHALLOW.map(({ name }) => name);

/** Of the models with drawn weights. */
const POSITIONS = 8192;

/** The models whose rates are measured: the embedded one knows no long texts, so one that does comes beside it. */
export const ratedModels = ({ models, isSoftware }: Pick<Bench, "models" | "isSoftware">) => [
  ...models,
  isSoftware ? "random-1M" : "random-135M",
];

/** Opens what `--model` may name; or one of `RANDOM_MODELS`, which has no tensors yet. */
export async function openBenchModel(name: string): Promise<ModelFolder> {
  const drawn = [...DRAWN, ...SHALLOW].find((one) => one.name === name);
  if (!drawn) return openNamedModel(name);
  const { layers, vocabulary } = drawn;
  const config = { ...oneLayer(drawn, POSITIONS), numLayers: layers, vocabSize: vocabulary };
  const tokenizer = await openEmbeddedModel({ weights: false }); // any does
  return { ...tokenizer, source: name, config };
}

/** A policy from such a model, tuned as a command would, its weights drawn if it has none. */
export async function openBenchPolicy(
  gpu: SystemGpu,
  name: string,
  needs: PolicyNeeds,
): Promise<OpenPolicy> {
  const model = await openBenchModel(name);
  const tune = tuneFor(gpu, { noTune: gpu.isSoftware }, (text) => console.error(text));
  const policy = await OpenPolicy.open(gpu, model, needs, undefined, tune);
  if (model.tensors.size === 0) {
    fill(gpu, policy.trained);
    policy.refresh();
  }
  return policy;
}

/** Uniform numbers of standard deviation 0.02, the same few over and over: it is the shapes that take time. */
function fill(gpu: SystemGpu, weights: Slabs): void {
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
    setValues(gpu, weights, name, values);
  }
}

/** Elements of all tensors. */
export const parameterCount = ({ shapes }: Pick<SlabLayout, "shapes">) =>
  [...shapes.values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);

/** A name short enough for a table: the last part of a path, without its ending. */
export const shortName = (model: string) =>
  model === EMBEDDED ? "embedded model" : (model.split("/").pop() ?? model).replace(/\.gguf$/, "");

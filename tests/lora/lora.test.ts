import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mergedTensor } from "../../beyond/export/merge.ts";
import { makeOps } from "../../beyond/kernels/ops.ts";
import { LoraDelta, LoraScratch } from "../../beyond/lora/delta.ts";
import { LoraLayout, LoraWeights } from "../../beyond/lora/lora.ts";
import { loraConfigText, readLoraConfig } from "../../beyond/lora/peft.ts";
import { encodeSafetensors, openSafetensors } from "../../beyond/models/safetensors.ts";
import { SystemGpu } from "../../beyond/platform/gpu.ts";
import { type Dtype, elementBytes, hasHalves } from "../../beyond/storage/precision.ts";
import { allIn, setValues } from "../../beyond/storage/weight-formats.ts";
import { Decoder } from "../../lib/model/decoder.ts";
import { Optimizer, OptimizerMemory } from "../../lib/model/optimizer.ts";
import { PackedBatch } from "../../lib/model/packing.ts";
import { ParameterLayout, Parameters, tensorShapes } from "../../lib/model/parameters.ts";
import { TrainingMemory, TrainingPass } from "../../lib/model/training-pass.ts";
import { loadDecoderGolden, loadLoraGolden } from "../golden/decoder.ts";
import { expectClose } from "../oracle/compare.ts";

setDefaultTimeout(300_000);

// LoRA against PEFT in float64. The second device's bindings cut the adapters' matrices in blocks too.
const devices = [await SystemGpu.open(), await SystemGpu.open(undefined, { bindingLimit: 512 })];
const folder = mkdtempSync(join(tmpdir(), "rlexplore-lora-"));
afterAll(() => {
  for (const gpu of devices) gpu.destroy();
  rmSync(folder, { recursive: true });
});
const maxTokens = 128;
const names = ["qwen2", "linear"] as const;

/** Reads back the adapter_config.json that a folder of its own would hold. */
function readConfig(config: object) {
  writeFileSync(join(folder, "adapter_config.json"), JSON.stringify(config));
  return readLoraConfig(folder);
}

function open(
  gpu: SystemGpu,
  name: (typeof names)[number],
  { gradientCheckpointing = false, dtype = "f32" as Dtype } = {},
) {
  const base = loadDecoderGolden(name);
  const golden = loadLoraGolden(name);
  const { config } = base;
  const { lora } = readConfig({ ...golden.adapterConfig, base_model_name_or_path: "base" });
  const frozen = new ParameterLayout(config, gpu, allIn(dtype));
  const parameters = new Parameters(gpu, frozen, "weights", "weights");
  const layout = new LoraLayout(config, lora, gpu);
  const loraWeights = new LoraWeights(gpu, layout, "weights", "LoRA");
  const gradients = new LoraWeights(gpu, layout, "gradients", "gradients");
  for (const [tensor, data] of base.weights) {
    setValues(gpu, parameters, tensor, Float32Array.from(data));
  }
  for (const [tensor, data] of golden.weights)
    loraWeights.set(gpu, tensor, Float32Array.from(data));
  gradients.clear(gpu);
  const { embedding, head, finalNorm, layers } = parameters;
  const table = gpu.allocate("buffers", "RoPE", 64 * config.headDim);
  const decoder = new Decoder(gpu, config, table, makeOps(gpu, config.headDim, {}, config));
  const scratch = new LoraScratch(gpu, maxTokens, lora.rank, true);
  const delta = new LoraDelta(decoder.ops, loraWeights, scratch, gradients);
  const weights = { embedding, head, finalNorm, layers, delta };
  const options = { gradientCheckpointing, elementBytes: elementBytes(dtype) };
  const trainingPass = new TrainingPass(
    gpu,
    decoder,
    new TrainingMemory(gpu, config, maxTokens, options),
  );
  const batch = new PackedBatch(maxTokens);
  for (const { prompt, completions } of base.groups) batch.add(prompt, completions);
  const logprobs = new Float32Array(batch.predictions);
  const entropies = new Float32Array(batch.predictions);
  const model = { base, golden, lora, layout, parameters, weights, loraWeights, gradients };
  return { ...model, decoder, trainingPass, batch, logprobs, entropies };
}

describe.each(names)("%s", (name) => {
  for (const [i, limit] of ["the adapter's bindings", "bindings of 512 bytes"].entries()) {
    for (const checkpointing of [false, true]) {
      const how = checkpointing ? `${limit}, checkpointing` : limit;
      test(`log-probabilities and gradients are PEFT's: ${how}`, async () => {
        const gpu = devices[i];
        const model = open(gpu, name, { gradientCheckpointing: checkpointing });
        const { golden, base, layout, weights, gradients, trainingPass, batch, logprobs } = model;
        const { temperature } = base;
        await trainingPass.logprobs(weights, batch, temperature, logprobs, model.entropies);
        expectClose(logprobs, golden.logprobs, { name: "logprobs" });
        expectClose(model.entropies, golden.entropies, { name: "entropies" });
        const upstream = Float32Array.from(golden.coefficients);
        trainingPass.backward(weights, {}, batch, temperature, upstream);
        const upstreamNorm = Math.hypot(...golden.coefficients);
        for (const [tensor, reference] of golden.gradients) {
          const gradient = await gradients.get(gpu, tensor);
          expectClose(gradient, reference, { name: tensor, upstreamNorm });
        }
        expect([...golden.gradients.keys()].sort()).toEqual([...layout.shapes.keys()].sort());

        // with the adapters off it is the base again: the reference of a KL penalty
        await trainingPass.logprobs(
          model.parameters,
          batch,
          temperature,
          logprobs,
          model.entropies,
        );
        expectClose(logprobs, base.logprobs, { name: "logprobs of the base" });
      });
    }
  }

  const [gpu] = devices;
  const why = hasHalves(gpu) ? "" : `, skipped: ${gpu.found.name} has no shader-f16`;
  test.skipIf(!hasHalves(gpu))(`in f16, near enough to PEFT's${why}`, async () => {
    const model = open(gpu, name, { dtype: "f16" });
    const { golden, base, weights, gradients, trainingPass, batch, logprobs } = model;
    await trainingPass.logprobs(weights, batch, base.temperature, logprobs, model.entropies);
    expectClose(logprobs, golden.logprobs, { name: "logprobs", relative: 1e-2 });
    const upstream = Float32Array.from(golden.coefficients);
    trainingPass.backward(weights, {}, batch, base.temperature, upstream);
    for (const [tensor, reference] of golden.gradients) {
      expectClose(await gradients.get(gpu, tensor), reference, { name: tensor, relative: 2e-2 });
    }
  });

  test("20 steps of AdamW descend as in PyTorch, and leave the base alone", async () => {
    const [gpu] = devices;
    const model = open(gpu, name);
    const { golden, base, layout, weights, gradients, trainingPass, batch, logprobs } = model;
    const { lr, betas, eps, weight_decay, max_norm } = base.optimizer;
    const memory = new OptimizerMemory(gpu, layout);
    const optimizer = new Optimizer(gpu, model.decoder.ops, memory, {
      adamBeta1: betas[0],
      adamBeta2: betas[1],
      adamEpsilon: eps,
      weightDecay: weight_decay,
      maxGradNorm: max_norm,
    });
    const dLogprobs = new Float32Array(batch.predictions).fill(-1 / batch.predictions);
    for (const [i, loss] of golden.losses.entries()) {
      gradients.clear(gpu);
      await trainingPass.logprobs(weights, batch, 1, logprobs, model.entropies);
      const ours = -logprobs.reduce((sum, logprob) => sum + logprob, 0) / batch.predictions;
      expect(Math.abs(ours - loss)).toBeLessThan(1e-3 * loss);
      trainingPass.backward(weights, {}, batch, 1, dLogprobs);
      await optimizer.update(model.loraWeights, gradients, lr, i + 1);
    }
    for (const [tensor, data] of base.weights) {
      expect(await model.parameters.get(gpu, tensor)).toEqual(Float32Array.from(data));
    }
  });

  test("the merged model computes the same without adapters", async () => {
    const [gpu] = devices;
    const model = open(gpu, name);
    const { golden, base, lora, parameters, trainingPass, batch, logprobs } = model;
    const stored = async (
      tensors: Map<string, Float64Array>,
      shapes: Map<string, readonly number[]>,
    ) => {
      const sources = Array.from(shapes, ([tensor, shape]) => {
        const values = Float32Array.from(tensors.get(tensor) as Float64Array);
        return { name: tensor, shape, data: async () => values };
      });
      return openSafetensors(new Blob(await Array.fromAsync(encodeSafetensors(sources))), "stored");
    };
    const whole = await stored(base.weights, tensorShapes(base.config));
    const trained = await stored(golden.weights, model.layout.shapes as Map<string, number[]>);
    for (const tensor of whole.keys()) {
      parameters.set(gpu, tensor, await mergedTensor(whole, trained, lora, tensor));
    }
    await trainingPass.logprobs(parameters, batch, base.temperature, logprobs, model.entropies);
    expectClose(logprobs, golden.logprobs, { name: "logprobs" });
  });
});

test("adapter_config.json survives the way out and back in, and hides nothing", () => {
  const lora = { rank: 8, alpha: 16, targets: ["q_proj", "down_proj"] as const };
  const written = JSON.parse(loraConfigText(lora, "org/base"));
  expect(readConfig(written)).toEqual({
    lora: { ...lora, targets: [...lora.targets] },
    base: "org/base",
  });
  const wrong: Record<string, unknown> = {
    peft_type: "IA3",
    r: 0,
    use_dora: true,
    bias: "all",
    rank_pattern: { q_proj: 4 },
    modules_to_save: ["lm_head"],
    target_modules: ["c_attn"],
    init_lora_weights: "pissa",
    use_something_new: true,
    scale_of_something_new: 0.5,
    base_model_name_or_path: "",
  };
  for (const [field, value] of Object.entries(wrong)) {
    expect(() => readConfig({ ...written, [field]: value })).toThrow(field);
  }
  const harmless = { peft_version: "0.99", qalora_group_size: 16, use_something_new: false };
  expect(readConfig({ ...written, ...harmless })).toEqual(readConfig(written));
});

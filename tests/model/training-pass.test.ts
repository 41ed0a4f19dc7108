import { afterAll, describe, expect, setDefaultTimeout, spyOn, test } from "bun:test";
import { makeOps } from "../../beyond/kernels/ops.ts";
import { SystemGpu } from "../../beyond/platform/gpu.ts";
import { makeMoments } from "../../beyond/storage/moments.ts";
import { Decoder } from "../../lib/model/decoder.ts";
import { Sampler } from "../../lib/model/generate.ts";
import { Optimizer, OptimizerMemory } from "../../lib/model/optimizer.ts";
import { PackedBatch } from "../../lib/model/packing.ts";
import { ParameterLayout, Parameters } from "../../lib/model/parameters.ts";
import { ropeTableLength } from "../../lib/model/rope.ts";
import { SamplerMemory } from "../../lib/model/sampler-memory.ts";
import { TrainingMemory, TrainingPass } from "../../lib/model/training-pass.ts";
import { GOLDENS, type GoldenName, loadDecoderGolden } from "../golden/decoder.ts";
import { inSmallestParts } from "../kernels.ts";
import { expectClose } from "../oracle/compare.ts";
import { pipelinedSampler } from "./requests.ts";

setDefaultTimeout(300_000);

// The whole decoder, head included, against PyTorch autograd in float64 on the same weights. The second
// device allows 2 KiB a binding, so that embedding, head and MLP come in several blocks; the third has the
// matmul of GPUs.
const devices = [
  await SystemGpu.open(),
  await SystemGpu.open(undefined, { bindingLimit: 2048 }),
  await SystemGpu.open(undefined, { matmul: "tiled" }),
];
afterAll(() => {
  for (const gpu of devices) gpu.destroy();
});
const maxTokens = 256;

/** A golden model on a GPU, with its groups packed. */
function open(gpu: SystemGpu, name: GoldenName) {
  const golden = loadDecoderGolden(name);
  const { config, groups } = golden;
  const layout = new ParameterLayout(config, gpu);
  const weights = new Parameters(gpu, layout, "weights", "weights");
  const gradients = new Parameters(gpu, layout, "gradients", "gradients");
  for (const [tensor, data] of golden.weights) weights.set(gpu, tensor, Float32Array.from(data));
  gradients.clear(gpu);
  const table = gpu.allocate("buffers", "RoPE table", ropeTableLength(config, 64));
  const decoder = new Decoder(gpu, config, table, makeOps(gpu, config.headDim, {}, config));
  const trainingPass = new TrainingPass(gpu, decoder, new TrainingMemory(gpu, config, maxTokens));
  const batch = new PackedBatch(maxTokens);
  for (const { prompt, completions } of groups) batch.add(prompt, completions);
  const logprobs = new Float32Array(batch.predictions);
  const entropies = new Float32Array(batch.predictions);
  return { golden, layout, weights, gradients, decoder, trainingPass, batch, logprobs, entropies };
}

test.each(["tied", "qwen2", "qwen3", "gemma3"] as const)(
  "%s: gradient checkpointing gives the same bits",
  async (name) => {
    const [gpu] = devices;
    const model = open(gpu, name);
    const { golden, layout, weights, gradients, decoder, batch, logprobs, entropies } = model;
    const { temperature, config } = golden;
    const upstream = Float32Array.from(golden.coefficients);
    const memory = new TrainingMemory(gpu, config, maxTokens, { gradientCheckpointing: true });
    const results: unknown[] = [];
    for (const trainingPass of [model.trainingPass, new TrainingPass(gpu, decoder, memory)]) {
      gradients.clear(gpu);
      await trainingPass.logprobs(weights, batch, temperature, logprobs, entropies);
      trainingPass.backward(weights, gradients, batch, temperature, upstream);
      const all: unknown[] = [logprobs.slice()];
      for (const tensor of layout.shapes.keys()) all.push(await gradients.get(gpu, tensor));
      results.push(all);
    }
    expect(results[1]).toEqual(results[0]);
  },
);

test("logits that there is room to keep give the same bits as those computed anew", async () => {
  const gpu = devices[1];
  const model = open(gpu, "tied");
  const { golden, layout, weights, gradients, decoder, batch, logprobs, entropies } = model;
  const { temperature, config, coefficients } = golden;
  const { tokens, predictions } = batch;
  expect(weights.head.blocks).toHaveLength(2);
  const results: unknown[] = [];
  for (const room of [Math.max(tokens, predictions), 2 * predictions]) {
    expect(Math.floor(room / predictions)).toBe(results.length + 1); // blocks that are kept
    const trainingPass = new TrainingPass(gpu, decoder, new TrainingMemory(gpu, config, room));
    gradients.clear(gpu);
    await trainingPass.logprobs(weights, batch, temperature, logprobs, entropies);
    const products = spyOn(decoder.ops.linear, "forwardBlock");
    trainingPass.backward(weights, gradients, batch, temperature, Float32Array.from(coefficients));
    expect(products).toHaveBeenCalledTimes(results.length === 0 ? 2 : 0);
    products.mockRestore();
    const all: unknown[] = [logprobs.slice()];
    for (const tensor of layout.shapes.keys()) all.push(await gradients.get(gpu, tensor));
    results.push(all);
  }
  expect(results[1]).toEqual(results[0]);
});

for (const [i, name] of ["as it comes", "bindings of 2 KiB", "the matmul of GPUs"].entries()) {
  describe(name, () => {
    const goldens = i < 2 ? GOLDENS : (["tied", "qwen2"] as const);
    test.each(goldens)("%s: log-probabilities, entropies and all gradients", async (name) => {
      const gpu = devices[i];
      const model = open(gpu, name);
      const { golden, layout, weights, gradients, trainingPass, batch, logprobs, entropies } =
        model;
      const { temperature } = golden;
      await trainingPass.logprobs(weights, batch, temperature, logprobs, entropies);
      expectClose(logprobs, golden.logprobs, { name: "logprobs" });
      expectClose(entropies, golden.entropies, { name: "entropies" });

      const upstream = Float32Array.from(golden.coefficients);
      trainingPass.backward(weights, gradients, batch, temperature, upstream);
      const upstreamNorm = Math.hypot(...golden.coefficients);
      for (const [tensor, reference] of golden.gradients) {
        const gradient = await gradients.get(gpu, tensor);
        expectClose(gradient, reference, { name: tensor, upstreamNorm });
      }
      expect(golden.gradients.size).toBe(layout.shapes.size);
    });
  });
}

const descents = GOLDENS.flatMap((name) => [
  [name, "adamw", 1e-3] as const,
  [name, "adamw_8bit", 1e-2] as const,
]);
test.each(descents)("%s: 20 steps of %s descend as PyTorch's AdamW", async (name, optim, error) => {
  const [gpu] = devices;
  const model = open(gpu, name);
  const { golden, layout, weights, gradients, decoder, trainingPass, batch, logprobs } = model;
  const { lr, betas, eps, weight_decay, max_norm } = golden.optimizer;
  const optimizer = new Optimizer(
    gpu,
    decoder.ops,
    new OptimizerMemory(gpu, layout, makeMoments(gpu, { layout, optim })),
    {
      adamBeta1: betas[0],
      adamBeta2: betas[1],
      adamEpsilon: eps,
      weightDecay: weight_decay,
      maxGradNorm: max_norm,
    },
  );
  const dLogprobs = new Float32Array(batch.predictions).fill(-1 / batch.predictions);
  const losses: number[] = [];
  for (let step = 1; step <= golden.losses.length; step++) {
    gradients.clear(gpu);
    await trainingPass.logprobs(weights, batch, 1, logprobs, model.entropies);
    losses.push(-logprobs.reduce((sum, logprob) => sum + logprob, 0) / batch.predictions);
    trainingPass.backward(weights, gradients, batch, 1, dLogprobs);
    await optimizer.update(weights, gradients, lr, step);
  }
  golden.losses.forEach((loss, i) => {
    expect(Math.abs(losses[i] - loss)).toBeLessThan(error * loss);
  });
});

const greedy = [...GOLDENS.map((name) => [name, 0] as const), ["qwen2", 2] as const];
test.each(greedy)(
  "%s: greedy decoding gives the tokens of `generate`, device %d",
  async (name, i) => {
    const gpu = devices[i];
    const { golden, weights, decoder } = open(gpu, name);
    const maxNewTokens = golden.greedy[0].length;
    const sizes = { rows: 2, promptSlots: 2, maxPromptTokens: 12, maxNewTokens };
    const sampler = new Sampler(gpu, decoder, new SamplerMemory(gpu, golden.config, sizes));
    const requests = golden.groups.map(({ prompt }, slot) => ({ prompt, samples: 1, slot }));
    const completions = await sampler.generate(weights, requests, {
      temperature: 0,
      topK: 0,
      topP: 1,
      minP: 0,
      maxNewTokens,
      stopIds: new Set(),
      seed: [1, 2],
      step: 0,
    });
    expect(completions.map(([{ tokens }]) => tokens)).toEqual(golden.greedy);
  },
);

test.each([0, 2])(
  "sampling and two steps of training, each workgroup submitted alone, give the same bits, device %d",
  async (i) => {
    const gpu = devices[i];
    const { golden, layout, ...model } = open(gpu, "qwen2");
    const { weights, gradients, decoder, trainingPass, batch, logprobs, entropies } = model;
    const sizes = { rows: 3, promptSlots: 2, maxPromptTokens: 12, maxNewTokens: 9, readEvery: 2 };
    const sampler = pipelinedSampler(gpu, decoder, sizes);
    const requests = golden.groups.map(({ prompt }, slot) => ({ prompt, samples: 2, slot }));
    const drawing = { temperature: 1, topK: 0, topP: 0.9, minP: 0, maxNewTokens: 9 };
    const settings = { ...drawing, stopIds: new Set<number>(), seed: [1, 2] as const, step: 0 };
    const dLogprobs = new Float32Array(batch.predictions).fill(-1 / batch.predictions);
    const run = async () => {
      for (const [name, data] of golden.weights) weights.set(gpu, name, Float32Array.from(data));
      const memory = new OptimizerMemory(gpu, layout);
      const optimizer = new Optimizer(gpu, decoder.ops, memory, {
        adamBeta1: 0.9,
        adamBeta2: 0.99,
        adamEpsilon: 1e-8,
        weightDecay: 0.1,
        maxGradNorm: 1,
      });
      const results: unknown[] = [await sampler.generate(weights, requests, settings)];
      for (const step of [1, 2]) {
        gradients.clear(gpu);
        await trainingPass.logprobs(weights, batch, 1, logprobs, entropies);
        trainingPass.backward(weights, gradients, batch, 1, dLogprobs);
        await optimizer.update(weights, gradients, 1e-2, step);
        results.push([logprobs.slice(), entropies.slice()]);
      }
      for (const tensor of layout.shapes.keys()) results.push(await weights.get(gpu, tensor));
      return results;
    };
    const submit = spyOn(gpu.device.queue, "submit");
    const whole = await run();
    const submissions = submit.mock.calls.length;
    expect(await inSmallestParts(run)).toEqual(whole);
    expect(submit.mock.calls.length).toBeGreaterThan(4 * submissions);
    submit.mockRestore();
  },
);

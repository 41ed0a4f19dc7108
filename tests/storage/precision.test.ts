import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { makeOps } from "../../beyond/kernels/ops.ts";
import type { Variants } from "../../beyond/kernels/variants.ts";
import { SystemGpu } from "../../beyond/platform/gpu.ts";
import type { PipelinedSizes } from "../../beyond/scheduling/pipelined-memory.ts";
import { makeMoments } from "../../beyond/storage/moments.ts";
import { hasHalves } from "../../beyond/storage/precision.ts";
import { RoundedParameters, roundable } from "../../beyond/storage/rounded.ts";
import { allIn, setValues } from "../../beyond/storage/weight-formats.ts";
import { MemoryPlanner } from "../../lib/gpu/memory.ts";
import { Decoder } from "../../lib/model/decoder.ts";
import { Head, HeadMemory, logitsStride } from "../../lib/model/head.ts";
import { Optimizer, OptimizerMemory } from "../../lib/model/optimizer.ts";
import { BatchMemory, PackedBatch } from "../../lib/model/packing.ts";
import { ParameterLayout, Parameters } from "../../lib/model/parameters.ts";
import { ropeTableLength } from "../../lib/model/rope.ts";
import { SamplerMemory } from "../../lib/model/sampler-memory.ts";
import { TrainingMemory, TrainingPass } from "../../lib/model/training-pass.ts";
import { GOLDENS, type GoldenName, loadDecoderGolden } from "../golden/decoder.ts";
import { emulatingKernel, shallowest } from "../kernels/subgroup-matrix.ts";
import {
  pipelinedSampler,
  prompts,
  requests,
  settings,
  speculativeSampler,
} from "../model/requests.ts";
import { expectClose } from "../oracle/compare.ts";
import { oracleDecoder } from "../oracle/decoder.ts";
import { packGroups } from "../oracle/packing.ts";
import { Given, oftenRight } from "../speculation/guessing.ts";

setDefaultTimeout(300_000);

// The whole decoder with f16 weights, activations and KV cache, against float64 with the weights as they
// were before rounding. The second device allows 2 KiB a binding, so that matrices come in several blocks.
const devices = [await SystemGpu.open(), await SystemGpu.open(undefined, { bindingLimit: 2048 })];
const [gpu] = devices;
afterAll(() => {
  for (const device of devices) device.destroy();
});
const maxTokens = 256;
const elementBytes = 2;
const why = hasHalves(gpu) ? "" : `, skipped: ${gpu.found.name} has no shader-f16`;

/** A golden model that is trained in f16, with its groups packed. */
function open(
  gpu: SystemGpu,
  name: GoldenName,
  gradientCheckpointing = false,
  given: Partial<Variants> = {},
) {
  const golden = loadDecoderGolden(name);
  const { config, groups } = golden;
  const layout = new ParameterLayout(config, roundable(gpu));
  const trained = new Parameters(gpu, layout, "weights", "weights");
  const weights = new RoundedParameters(gpu, trained);
  const gradients = new Parameters(gpu, layout, "gradients", "gradients");
  for (const [tensor, data] of golden.weights) trained.set(gpu, tensor, Float32Array.from(data));
  const table = gpu.allocate("buffers", "RoPE table", ropeTableLength(config, 64));
  const decoder = new Decoder(gpu, config, table, makeOps(gpu, config.headDim, given, config));
  weights.refresh(decoder.ops);
  gradients.clear(gpu);
  const memory = new TrainingMemory(gpu, config, maxTokens, {
    elementBytes: 2,
    gradientCheckpointing,
  });
  const trainingPass = new TrainingPass(gpu, decoder, memory);
  const batch = new PackedBatch(maxTokens);
  for (const { prompt, completions } of groups) batch.add(prompt, completions);
  const logprobs = new Float32Array(batch.predictions);
  const entropies = new Float32Array(batch.predictions);
  const model = { golden, layout, trained, weights, gradients, decoder, memory };
  return { ...model, trainingPass, batch, logprobs, entropies };
}

/** Logits of every prediction of the batch, M rows without padding. */
async function logitsOf(gpu: SystemGpu, name: GoldenName) {
  const { golden, decoder, memory, weights, batch } = open(gpu, name);
  const { config } = golden;
  const rows = batch.predictions;
  const stride = logitsStride(config.vocabSize);
  const inputs = new BatchMemory(gpu, maxTokens, config.vocabSize);
  const heads = new HeadMemory(gpu, config, rows, elementBytes);
  const logits = gpu.allocate("buffers", "logits", rows * stride);
  inputs.upload(gpu, batch);
  const { activations } = memory;
  decoder.forward(weights, inputs, batch.tokens, activations);
  const head = new Head(decoder.ops, config);
  head.enter(weights, activations.output, inputs.predictionRows, rows, heads);
  head.logits(weights, rows, logits, heads);
  const all = await gpu.read(logits, new Float32Array(rows * stride));
  return all.filter((_, i) => i % stride < config.vocabSize);
}

describe.skipIf(!hasHalves(gpu))(`f16${why}`, () => {
  // Measured: logits 5e-4, gradients 7e-3 of their norm at most.
  for (const [i, limit] of ["the adapter's bindings", "bindings of 2 KiB"].entries()) {
    test.each(GOLDENS)(`%s: logits and all gradients, ${limit}`, async (name) => {
      const device = devices[i];
      const { config, weights, groups, temperature } = loadDecoderGolden(name);
      if (name !== "gemma3") {
        const { logits } = oracleDecoder(config, weights).forward(packGroups(groups), temperature);
        expectClose(await logitsOf(device, name), logits, { name: "logits", relative: 1e-2 });
      }
      await expectGradients(device, name);
    });
  }

  async function expectGradients(device: SystemGpu, name: GoldenName, given?: Partial<Variants>) {
    const model = open(device, name, false, given);
    const { golden, layout, weights, gradients, trainingPass, batch, logprobs, entropies } = model;
    const { temperature } = golden;
    await trainingPass.logprobs(weights, batch, temperature, logprobs, entropies);
    expectClose(logprobs, golden.logprobs, { name: "logprobs", relative: 1e-2 });
    expectClose(entropies, golden.entropies, { name: "entropies", relative: 1e-2 });
    const upstream = Float32Array.from(golden.coefficients);
    trainingPass.backward(weights, gradients, batch, temperature, upstream);
    for (const [tensor, reference] of golden.gradients) {
      const gradient = await gradients.get(device, tensor);
      expectClose(gradient, reference, { name: tensor, relative: 2e-2 });
    }
    expect(golden.gradients.size).toBe(layout.shapes.size);
  }

  test("all products by subgroup matrices, emulated: all gradients", async () => {
    const device = await SystemGpu.open(undefined, { bindingLimit: 2048 });
    devices.push(device);
    const kernel = emulatingKernel(device, shallowest);
    const matmuls = new Set<string>();
    device.commands.kernel = (name, source, entry, ...given) => {
      if (name.startsWith("matmul")) matmuls.add(`${name.replace(/-\d+x\d+|\/\w+/g, "")}.${entry}`);
      return kernel(name, source, entry, ...given);
    };
    const subgroupMatrix = { M: 16, N: 16, K: 16, shallow: false };
    for (const name of ["tied", "qwen2"] as const) {
      await expectGradients(device, name, { matmul: "matrix", subgroupMatrix });
    }
    expect([...matmuls].sort()).toEqual([
      "matmul-largest.reduce",
      "matmul-matrix+residual.forward",
      ...["backward_input", "backward_weight", "forward"].map((entry) => `matmul-matrix.${entry}`),
    ]);
  });

  test.each(GOLDENS)("%s: 20 steps of AdamW follow those of float64", async (name) => {
    const model = open(gpu, name);
    const { golden, layout, trained, weights, gradients, decoder, trainingPass, batch } = model;
    const { lr, betas, eps, weight_decay, max_norm } = golden.optimizer;
    const settings = {
      adamBeta1: betas[0],
      adamBeta2: betas[1],
      adamEpsilon: eps,
      weightDecay: weight_decay,
      maxGradNorm: max_norm,
    };
    const moments = makeMoments(gpu, { layout, rounded: weights });
    const memory = new OptimizerMemory(gpu, layout, moments);
    const optimizer = new Optimizer(gpu, decoder.ops, memory, settings);
    const dLogprobs = new Float32Array(batch.predictions).fill(-1 / batch.predictions);
    const losses: number[] = [];
    for (let step = 1; step <= golden.losses.length; step++) {
      gradients.clear(gpu);
      await trainingPass.logprobs(weights, batch, 1, model.logprobs, model.entropies);
      losses.push(-model.logprobs.reduce((sum, logprob) => sum + logprob, 0) / batch.predictions);
      trainingPass.backward(weights, gradients, batch, 1, dLogprobs);
      await optimizer.update(trained, gradients, lr, step);
    }
    golden.losses.forEach((loss, i) => {
      expect(Math.abs(losses[i] - loss)).toBeLessThan(1e-2 * loss);
    });
    // What was trained is f32 and what was computed with is its f16: rounding anew changes nothing.
    const computed = await copiesOf(weights);
    weights.refresh(decoder.ops);
    expect(await copiesOf(weights)).toEqual(computed);
  });

  test("what is too large for f16 is found, and nothing is moved", async () => {
    const model = open(gpu, "untied");
    const { golden, layout, trained, weights, gradients, decoder, trainingPass, batch } = model;
    const norm = "model.layers.1.post_attention_layernorm.weight";
    const large = Float32Array.from(golden.weights.get(norm) ?? [], (value) => 1e5 * value);
    trained.set(gpu, norm, large);
    const settings = {
      adamBeta1: 0.9,
      adamBeta2: 0.999,
      adamEpsilon: 1e-8,
      weightDecay: 0,
      maxGradNorm: 1,
    };
    const moments = makeMoments(gpu, { layout, rounded: weights });
    const memory = new OptimizerMemory(gpu, layout, moments);
    const optimizer = new Optimizer(gpu, decoder.ops, memory, settings);
    await trainingPass.logprobs(weights, batch, 1, model.logprobs, model.entropies);
    trainingPass.backward(
      weights,
      gradients,
      batch,
      1,
      new Float32Array(batch.predictions).fill(-1),
    );
    expect(await optimizer.update(trained, gradients, 1e-3, 1)).toBeNull();
    expect(await trained.get(gpu, norm)).toEqual(large);
  });

  async function copiesOf({ copies }: RoundedParameters) {
    const words = copies.map((copy) => copy && new Uint32Array(copy.length / 2));
    for (const [i, copy] of copies.entries())
      if (copy) await gpu.read(copy, words[i] as Uint32Array);
    return words;
  }

  test.each(["tied", "qwen2", "qwen3"] as const)(
    "%s: gradient checkpointing, and weights that are loaded in f16, give the same bits",
    async (name) => {
      const results: unknown[] = [];
      for (const checkpointing of [false, true]) {
        const model = open(gpu, name, checkpointing);
        const { golden, weights, gradients, trainingPass, batch, logprobs, entropies } = model;
        const { temperature, config } = golden;
        await trainingPass.logprobs(weights, batch, temperature, logprobs, entropies);
        const upstream = Float32Array.from(golden.coefficients);
        trainingPass.backward(weights, gradients, batch, temperature, upstream);
        const all: unknown[] = [];
        for (const tensor of gradients.layout.shapes.keys()) {
          all.push(await gradients.get(gpu, tensor));
        }
        results.push([logprobs.slice(), all]);

        const frozen = new ParameterLayout(config, gpu, allIn("f16"));
        const loaded = new Parameters(gpu, frozen, "weights", "weights");
        for (const [key, data] of golden.weights) {
          setValues(gpu, loaded, key, Float32Array.from(data));
        }
        const before = logprobs.slice();
        await trainingPass.logprobs(loaded, batch, temperature, logprobs, entropies);
        expect(logprobs).toEqual(before);
      }
      expect(results[1]).toEqual(results[0]);
    },
  );

  test.each(["untied", "qwen3"] as const)(
    "%s: completions do not depend on their batch, and learning recomputes their log-probabilities",
    async (name) => {
      const { golden, weights, decoder } = open(gpu, name);
      const { config } = golden;
      const sample = (rows: number, promptSlots: number, readEvery: number) => {
        const lengths = { maxPromptTokens: 7, maxNewTokens: 12, readEvery };
        const sizes: PipelinedSizes = { ...lengths, rows, promptSlots, elementBytes };
        return pipelinedSampler(gpu, decoder, sizes).generate(weights, requests, settings);
      };
      const completions = await sample(64, 16, 1);
      expect(await sample(64, 16, 8)).toEqual(completions);
      expect(await sample(7, 2, 3)).toEqual(completions);
      const lengths = { maxPromptTokens: 7, maxNewTokens: 12, readEvery: 1 };
      const sizes: PipelinedSizes = {
        ...lengths,
        rows: 7,
        passRows: 40,
        promptSlots: 2,
        elementBytes,
      };
      const guesses = new Given(completions, oftenRight);
      const checking = speculativeSampler(gpu, decoder, sizes, guesses);
      expect(await checking.generate(weights, requests, settings)).toEqual(completions);
      expect(checking.tally.right).toBeGreaterThan(100);

      const trainingPass = new TrainingPass(
        gpu,
        decoder,
        new TrainingMemory(gpu, config, 1024, { elementBytes }),
      );
      const batch = new PackedBatch(1024);
      for (const [i, prompt] of prompts.entries()) {
        batch.add(
          prompt,
          completions[i].map(({ tokens }) => tokens),
        );
      }
      const logprobs = new Float32Array(batch.predictions);
      const entropies = new Float32Array(batch.predictions);
      await trainingPass.logprobs(weights, batch, settings.temperature, logprobs, entropies);
      const recorded = completions.flat().flatMap((completion) => completion.logprobs);
      expect(recorded.length).toBe(batch.predictions);
      recorded.forEach((logprob, m) => {
        expect(Math.abs(Math.exp(logprobs[m] - logprob) - 1)).toBeLessThan(1e-5);
      });
    },
  );

  test("activations and the KV cache take two bytes where f32 takes four", () => {
    const { config } = loadDecoderGolden("qwen2");
    const sizes = { rows: 4, promptSlots: 2, maxPromptTokens: 8, maxNewTokens: 8 };
    const [whole, halves] = ([4, 2] as const).map((elementBytes) => {
      const plan = new MemoryPlanner(2 ** 30, 2 ** 30, 256);
      new SamplerMemory(plan, config, { ...sizes, elementBytes });
      return plan.bytes;
    });
    expect(halves.get("KV cache")).toBe((whole.get("KV cache") as number) / 2);
    expect(halves.get("activations")).toBeLessThan(0.7 * (whole.get("activations") as number));
  });
});

import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { openEmbeddedModel } from "../../beyond/models/embedded.ts";
import { OpenPolicy, openGpu } from "../../beyond/opening/policy.ts";
import { tuneFor } from "../../beyond/tuning/tuning.ts";
import { PackedBatch } from "../../lib/model/packing.ts";

const shaders = readdirSync(join(import.meta.dir, "../../shaders"))
  .filter((file) => file.endsWith(".wgsl"))
  .map((file) => file.replace(".wgsl", ""));

/**
 * The gradients of a sum of log-probabilities after one rollout, by `--kernels plain`.
 * @param change of a kernel's source
 * @returns them, and the kernels that were compiled as `shader.entry`
 */
async function gradients(change: (kernel: string, source: string) => string = (_, same) => same) {
  const gpu = await openGpu(null, "plain");
  const { commands } = gpu;
  const compile = commands.kernel.bind(commands);
  const kernels = new Set<string>();
  commands.kernel = (name, source, entry, ...rest) => {
    kernels.add(`${name}.${entry}`);
    return compile(name, change(`${name}.${entry}`, source), entry, ...rest);
  };
  const notes: string[] = [];
  const adamw = {
    adamBeta1: 0.9,
    adamBeta2: 0.999,
    adamEpsilon: 1e-8,
    weightDecay: 0,
    maxGradNorm: 1,
  };
  const policy = await OpenPolicy.open(
    gpu,
    await openEmbeddedModel(),
    {
      sampling: { rows: 8, samplesPerPrompt: 8, maxPromptTokens: 12, maxNewTokens: 12 },
      learning: { microBatchTokens: 128, optimizer: adamw, reference: false },
    },
    () => {},
    tuneFor(gpu, { noTune: false }, (note) => notes.push(note)),
  );
  const { sampler, weights, trainingPass, trained, optimizer } = policy;
  const prompt = policy.tokenizer.encodePrompt("12+3-4+5=", "test");
  const drawing = { temperature: 1, topK: 5, topP: 0.9, minP: 0, stopIds: policy.stopIds };
  const [completions] = await sampler.generate(weights, [{ prompt, samples: 8, slot: 0 }], {
    ...drawing,
    maxNewTokens: 12,
    seed: [1, 0],
    step: 1,
  });
  const batch = new PackedBatch(128);
  batch.add(
    prompt,
    completions.map(({ tokens }) => tokens),
  );
  const [logprobs, entropies] = [new Float32Array(128), new Float32Array(128)];
  await trainingPass.logprobs(weights, batch, 1, logprobs, entropies);
  policy.gradients.clear(gpu);
  trainingPass.backward(weights, policy.gradients, batch, 1, new Float32Array(128).fill(1));
  const values: number[] = [];
  for (const slab of policy.gradients.slabs) {
    values.push(...(await gpu.read(slab, new Float32Array(slab.length))));
  }
  await optimizer.update(trained, policy.gradients, 1e-3, 1);
  await policy.settle();
  gpu.destroy();
  return { values, kernels, notes };
}

const plain = await gradients();

test("--kernels plain computes with the shaders of the core alone, and says so", () => {
  // matmul+residual is matmul.wgsl with outputs/residual.wgsl
  for (const kernel of plain.kernels) expect(shaders).toContain(kernel.split(/[.+]/)[0]);
  for (const shader of ["matmul", "attention", "rmsnorm", "rope", "swiglu", "logprob", "sample"]) {
    expect([...plain.kernels].some((kernel) => kernel.startsWith(`${shader}.`))).toBe(true);
  }
  expect(plain.kernels).toContain("attention.backward_query");
  expect(plain.notes).toEqual(["kernels: plain, the shaders of the core alone"]);
});

test("a mistake in a shader changes what is learned: no variant computes in its place", async () => {
  const wrong = await gradients((kernel, source) => {
    if (kernel !== "attention.backward_query") return source;
    expect(source.split("= sum[i] * scale;").length).toBe(2);
    return source.replace("= sum[i] * scale;", "= sum[i] * 0.0;");
  });
  expect(wrong.values.length).toBe(plain.values.length);
  expect(wrong.values).not.toEqual(plain.values);
});

import { afterAll, describe, expect, test } from "bun:test";
import { Gpu } from "../../lib/gpu/device.ts";
import { Decoder } from "../../lib/model/decoder.ts";
import { Learner, LearnerMemory } from "../../lib/model/learner.ts";
import { PackedBatch } from "../../lib/model/packing.ts";
import { ParameterLayout, Parameters } from "../../lib/model/parameters.ts";
import { loadDecoderGolden } from "../golden/decoder.ts";
import { expectClose } from "../oracle/compare.ts";

// The whole decoder, head included, against PyTorch autograd in float64 on the same weights. The second
// device allows 2 KiB a binding, so that embedding, head and MLP come in several blocks.
const devices = [await Gpu.open(), await Gpu.open(undefined, { bindingLimit: 2048 })];
afterAll(() => {
  for (const gpu of devices) gpu.destroy();
});

for (const [i, limit] of ["the adapter's bindings", "bindings of 2 KiB"].entries()) {
  const gpu = devices[i];
  describe(limit, () => {
    for (const name of ["tied", "untied"] as const) {
      test(`${name} decoder: log-probabilities, entropies and all gradients`, async () => {
        const golden = loadDecoderGolden(name);
        const { config, groups, temperature } = golden;
        const layout = new ParameterLayout(config, gpu);
        const weights = new Parameters(gpu, layout, "weights", "weights");
        const gradients = new Parameters(gpu, layout, "gradients", "gradients");
        for (const [tensor, data] of golden.weights) {
          weights.set(gpu, tensor, Float32Array.from(data));
        }
        gradients.clear(gpu);
        const maxTokens = 256;
        const table = gpu.allocate("buffers", "RoPE table", 64 * config.headDim);
        const learner = new Learner(
          gpu,
          new Decoder(gpu, config, table),
          new LearnerMemory(gpu, config, maxTokens),
        );
        const batch = new PackedBatch(maxTokens);
        for (const { prompt, completions } of groups) batch.add(prompt, completions);

        const logprobs = new Float32Array(batch.predictions);
        const entropies = new Float32Array(batch.predictions);
        await learner.logprobs(weights, batch, temperature, logprobs, entropies);
        expectClose(logprobs, golden.logprobs, { name: "logprobs" });
        expectClose(entropies, golden.entropies, { name: "entropies" });

        const upstream = Float32Array.from(golden.coefficients);
        learner.backward(weights, gradients, batch, temperature, upstream);
        const upstreamNorm = Math.hypot(...golden.coefficients);
        for (const [tensor, reference] of golden.gradients) {
          const gradient = await gradients.get(gpu, tensor);
          expectClose(gradient, reference, { name: tensor, upstreamNorm });
        }
        expect(golden.gradients.size).toBe(layout.shapes.size);
      });
    }
  });
}

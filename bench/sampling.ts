import type { Gpu } from "../lib/gpu/device.ts";
import type { Bench, Part } from "./harness.ts";
import { openBenchModel, openBenchPolicy, ratedModels, shortName } from "./models.ts";
import type { Row } from "./tables.ts";
import { bestOf, ifItFits, Patience, sampleTokens, someTokens } from "./throughput.ts";

const BATCHES = [1, 8, 64, 128];
const CONTEXTS = [16, 256, 1024, 4096];
/** Completions of a prompt, as in a group of GRPO. */
const GROUP = 8;

export const samplingPart: Part = {
  about: "tokens sampled a second, by batch size and context",
  quick: true,
  async run(bench) {
    for (const model of ratedModels(bench)) await samplingOf(bench, model);
  },
};

async function samplingOf(bench: Bench, model: string): Promise<void> {
  const { config } = await openBenchModel(model);
  const patience = new Patience(bench.isSoftware, 0.5); // rows that are decoded together share the weights
  const rows: Row[] = [];
  for (const context of CONTEXTS) {
    for (const batch of BATCHES) {
      const sizes = { context, batch, steps: decodeSteps(bench.isSoftware) };
      if (context + 2 * sizes.steps + batch / GROUP > config.maxPositionEmbeddings) continue;
      const row: Row = { name: `context ${context}, batch ${batch}`, context, batch };
      rows.push({ ...row, "decoded tokens/s": null });
      if (!patience.allows(context, batch)) continue;
      const measured = await ifItFits(() =>
        bench.withGpu((gpu) => samplingRates(gpu, model, sizes)),
      );
      if (!measured) continue;
      patience.note(measured.seconds, context, batch);
      rows[rows.length - 1] = { ...row, ...measured.rates };
    }
  }
  bench.show({ title: `Sampling, ${shortName(model)}, prompts of 8 completions`, rows });
}

const decodeSteps = (isSoftware: boolean) => (isSoftware ? 16 : 64);

/**
 * Decoding is the difference between a long and a short generation, so that prompts, and the steps in
 * which rows are still being admitted, do not count.
 * @returns rates, and the seconds of the long generation
 */
export async function samplingRates(
  gpu: Gpu,
  model: string,
  { context, batch, steps }: { context: number; batch: number; steps: number },
) {
  const samples = Math.min(GROUP, batch);
  const groups = batch / samples;
  const [short, long] = [groups, groups + steps];
  const sampling = {
    rows: batch,
    samplesPerPrompt: samples,
    maxPromptTokens: context,
    maxNewTokens: long,
  };
  const policy = await openBenchPolicy(gpu, model, { sampling });
  const prompts = Array.from({ length: groups }, (_, i) => someTokens(policy, context, i));
  const seconds = (length: number) =>
    bestOf(gpu, () => sampleTokens(policy, prompts, samples, length));
  await sampleTokens(policy, prompts, samples, 2); // compiles
  const first = await seconds(1);
  const all = await seconds(long);
  const decoding = all - (short > 1 ? await seconds(short) : first);
  const rates = {
    "decoded tokens/s": (batch * steps) / decoding,
    "ms a step": (1000 * decoding) / steps,
    "prompt tokens/s": (groups * context) / first,
  };
  return { seconds: all, rates };
}

import type { SystemGpu } from "../beyond/platform/gpu.ts";
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
      if (context >= config.maxPositionEmbeddings) continue;
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
 * How fast so many rows are decoded at once, and prompts computed.
 * @param steps over which decoding is measured
 * @returns rates, and the seconds that it took to measure decoding
 */
export async function samplingRates(
  gpu: SystemGpu,
  model: string,
  { context, batch, steps }: { context: number; batch: number; steps: number },
) {
  const samples = Math.min(GROUP, batch);
  const groups = batch / samples;
  const length = 1 + steps; // the first comes of the prompt, and all rows have it before any is decoded
  const sampling = {
    rows: batch,
    samplesPerPrompt: samples,
    maxPromptTokens: context,
    maxNewTokens: length,
  };
  const policy = await openBenchPolicy(gpu, model, { sampling });
  const prompts = Array.from({ length: groups }, (_, i) => someTokens(policy, context, i));
  await sampleTokens(policy, prompts, samples, 2); // compiles
  const first = await bestOf(gpu, () => sampleTokens(policy, prompts, samples, 1));
  let seconds = 0;
  const step = await bestOf(gpu, async () => {
    const watch = watchDecoding(batch, length);
    [seconds] = await sampleTokens(policy, prompts, samples, length, watch);
    return [watch.secondsAStep(), null];
  });
  const rates = {
    "decoded tokens/s": batch / step,
    "ms a step": 1000 * step,
    "prompt tokens/s": (groups * context) / first,
  };
  return { seconds, rates };
}

/** Times the steps in which all rows are decoded: from the first token of the last row to the last of the first. */
function watchDecoding(rows: number, length: number) {
  let first: readonly number[] | undefined;
  let [started, began, tokensThen, ended] = [0, 0, 0, 0];
  return {
    isOver(tokens: readonly number[]) {
      first ??= tokens;
      if (tokens.length === 1 && ++started === rows) {
        [began, tokensThen] = [performance.now(), first.length];
      }
      if (tokens === first && tokens.length === length) ended = performance.now();
      return false;
    },
    secondsAStep: () => (ended - began) / 1000 / (length - tokensThen),
  };
}

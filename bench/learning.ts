import type { SystemGpu } from "../beyond/platform/gpu.ts";
import type { Bench, Part } from "./harness.ts";
import { openBenchModel, openBenchPolicy, ratedModels, shortName } from "./models.ts";
import type { Row } from "./tables.ts";
import { batchOf, bestOf, ifItFits, learnFrom, learningNeeds, Patience } from "./throughput.ts";

const BATCHES = [64, 256, 1024, 4096];
const LENGTHS = [32, 256, 1024];

export const learningPart: Part = {
  about: "tokens learned from a second, by micro-batch and length of the sequences",
  quick: true,
  async run(bench) {
    for (const model of ratedModels(bench)) await learningOf(bench, model);
  },
};

async function learningOf(bench: Bench, model: string): Promise<void> {
  const { config } = await openBenchModel(model);
  const patience = new Patience(bench.isSoftware);
  const rows: Row[] = [];
  for (const tokens of BATCHES) {
    for (const length of LENGTHS) {
      if (length > tokens || length > config.maxPositionEmbeddings) continue;
      const row: Row = { name: `${tokens} tokens in sequences of ${length}`, tokens, length };
      rows.push({ ...row, "learned tokens/s": null });
      if (!patience.allows(tokens)) continue;
      const rate = await ifItFits(() =>
        bench.withGpu((gpu) => learningRate(gpu, model, tokens, length)),
      );
      if (!rate) continue;
      patience.note(tokens / rate, tokens);
      rows[rows.length - 1] = { ...row, "learned tokens/s": rate };
    }
  }
  bench.show({ title: `Learning, ${shortName(model)}, forward and backward`, rows });
}

/** Tokens learned from a second, forward and backward; the optimizer does not count. */
export async function learningRate(gpu: SystemGpu, model: string, tokens: number, length: number) {
  const policy = await openBenchPolicy(gpu, model, learningNeeds(tokens));
  const batch = batchOf(policy, tokens, length);
  await learnFrom(policy, [batchOf(policy, Math.min(tokens, length), length)]); // compiles
  return tokens / (await bestOf(gpu, () => learnFrom(policy, [batch])));
}

import { tensorShapes } from "../lib/model/parameters.ts";
import type { Part } from "./harness.ts";
import { learningRate } from "./learning.ts";
import { openBenchModel, parameterCount, RANDOM_MODELS } from "./models.ts";
import { samplingRates } from "./sampling.ts";
import type { Row } from "./tables.ts";
import { ifItFits, Patience } from "./throughput.ts";

/** Rates against the size of the model: random weights, from a million parameters on. */
export const sizesPart: Part = {
  about: "tokens a second by the size of the model",
  async run(bench) {
    const patience = new Patience(bench.isSoftware);
    const rows: Row[] = [];
    const [batch, context, steps] = bench.isSoftware ? [8, 64, 8] : [64, 256, 64];
    const [tokens, length] = bench.isSoftware ? [128, 64] : [4096, 256];
    for (const name of RANDOM_MODELS) {
      const parameters = parameterCount({
        shapes: tensorShapes((await openBenchModel(name)).config),
      });
      const row: Row = { name, "million parameters": parameters / 1e6 };
      rows.push({ ...row, "decoded tokens/s": null, "learned tokens/s": null });
      if (!patience.allows(parameters)) continue;
      const sizes = { context, batch, steps };
      const sampled = await ifItFits(() => bench.withGpu((gpu) => samplingRates(gpu, name, sizes)));
      const rate = await ifItFits(() =>
        bench.withGpu((gpu) => learningRate(gpu, name, tokens, length)),
      );
      patience.note((sampled?.seconds ?? 0) + (rate ? tokens / rate : 0), parameters);
      rows[rows.length - 1] = { ...row, ...sampled?.rates, "learned tokens/s": rate };
    }
    const title = `Size of the model: ${batch} completions at once, context ${context}; micro-batches of ${tokens} tokens in sequences of ${length}`;
    bench.show({ title, rows });
  },
};

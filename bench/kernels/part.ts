import { type Dtype, hasHalves } from "../../beyond/storage/precision.ts";
import type { Bench, Part } from "../harness.ts";
import { layerMatrices, type ModelShape } from "../shapes.ts";
import { decodingAttention, learningAttention } from "./attention.ts";
import { endKernels, sampleKernels } from "./ends.ts";
import { type KernelCase, measure, Space } from "./kernel.ts";
import { decodingProducts, learningProducts } from "./products.ts";
import { rowKernels } from "./rows.ts";

/** Completions sampled at once. */
const DECODING_ROWS = [1, 8, 64];

/** Every kernel at the shapes of a model, and its share of the roofline. */
export const kernelPart = (model: ModelShape, quick = false): Part => ({
  about: `every kernel at the shapes of ${model.name}`,
  quick,
  async run(bench) {
    for (const dtype of ["f32", "f16"] as const) await modelTables(bench, model, dtype);
  },
});

async function modelTables(bench: Bench, model: ModelShape, dtype: Dtype): Promise<void> {
  await bench.withGpu(async (gpu) => {
    const name = `${model.name}, ${dtype}`;
    if (dtype === "f16" && !hasHalves(gpu)) {
      bench.show({ title: `Kernels of ${name}`, rows: [{ name: "all of them", ms: null }] });
      return;
    }
    const ceilings = await bench.ceilings(gpu);
    const space = new Space(gpu, model, dtype);
    const table = async (title: string, cases: KernelCase[]) => {
      const rows = [];
      for (const one of cases) rows.push(await measure(space, one, ceilings));
      const layer = rows.reduce((sum, row) => sum + row["ms a layer"], 0);
      const shares = rows.map(({ "ms a layer": ms, ...row }) =>
        layer > 0 ? { ...row, "% of a layer": (100 * ms) / layer } : row,
      );
      bench.show({ title, rows: shares });
    };
    const T = learningRows(model, gpu.isSoftware);
    await table(`Learning kernels of ${name}`, [
      ...learningProducts(model, T),
      ...learningAttention(model, T),
      ...rowKernels(model, T),
      ...endKernels(model, T),
    ]);
    const context = gpu.isSoftware ? 256 : 2048;
    await table(
      `Decoding kernels of ${name}`,
      DECODING_ROWS.flatMap((rows) => [
        ...decodingProducts(model, rows),
        decodingAttention(model, rows, context),
        ...sampleKernels(model, rows),
      ]),
    );
  });
}

/** On a GPU 2,048; on software as many as a layer's products are done with in under a second. */
function learningRows(model: ModelShape, isSoftware: boolean): number {
  const weights = layerMatrices(model).reduce((sum, { K, N }) => sum + K * N, 0);
  let rows = isSoftware ? 512 : 2048;
  while (isSoftware && rows * weights > 1e9) rows /= 2;
  return rows;
}

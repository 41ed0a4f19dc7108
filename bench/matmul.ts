import { PRODUCTS } from "../beyond/kernels/matmul-family.ts";
import { makeOps } from "../beyond/kernels/ops.ts";
import type { SystemGpu } from "../beyond/platform/gpu.ts";
import { FROZEN_FORMATS, type WeightFormat } from "../beyond/storage/weight-formats.ts";
import { matmulRate } from "../beyond/tuning/rates.ts";
import type { Product } from "../lib/model/ops/linear.ts";
import type { Part } from "./harness.ts";
import type { Row, Section } from "./tables.ts";

/** The ways to the same product, side by side. */
export const matmulPart: Part = {
  about: "the matmul kernels, and the formats of the weights, side by side",
  run: (bench) =>
    bench.withGpu(async (gpu) => {
      bench.show(await matmulKernelSection(gpu));
      bench.show(await formatSection(gpu));
    }),
};

/**
 * y = x W^T and dx = dy W with W in each format, as a ratio to f32 in the same run: at the rows of decoding,
 * where every step reads every weight once, and at those of learning. The formats take turns, so that what
 * else the machine does falls on all of them.
 */
async function formatSection(gpu: SystemGpu): Promise<Section> {
  const ops = makeOps(gpu, 16);
  const rows: Row[] = [];
  const add = async (product: Product, T: number) => {
    const shape = { T, K: 576, N: 3072 }; // SmolLM2-135M's gate and up
    const best = new Map<WeightFormat, number>();
    for (let round = 0; round < 3; round++) {
      for (const format of ["f32", ...FROZEN_FORMATS] as const) {
        const rate = await matmulRate(gpu, ops, product, shape, format);
        best.set(format, Math.max(rate, best.get(format) ?? 0));
      }
    }
    for (const format of FROZEN_FORMATS) {
      const value = (best.get(format) ?? 0) / (best.get("f32") ?? 0);
      const name = `${T} x ${shape.K} x ${shape.N}, ${product}, ${format}`;
      rows.push({ name, value, unit: "of f32's speed" });
    }
  };
  for (const T of [1, 8, 64]) await add("forward", T);
  await add("backwardInput", 256);
  return { title: "Matrix products by the format of the weights", rows };
}

/**
 * The plain and the tiled matmul side by side, f32, at two row counts of decoding and one of learning. They
 * take turns, as the formats do.
 */
async function matmulKernelSection(gpu: SystemGpu): Promise<Section> {
  const rows: Row[] = [];
  const [K, N] = [576, 3072]; // SmolLM2-135M's gate and up
  const rounds = gpu.isSoftware ? 1 : 3; // SwiftShader takes a minute for one
  for (const T of [1, 16, 256]) {
    for (const product of PRODUCTS) {
      const best = { plain: 0, tiled: 0 };
      for (let round = 0; round < rounds; round++) {
        for (const matmul of ["plain", "tiled"] as const) {
          const rate = await matmulRate(gpu, makeOps(gpu, 16, { matmul }), product, { T, K, N });
          best[matmul] = Math.max(best[matmul], rate);
        }
      }
      const name = `${T} x ${K} x ${N}, ${product}`;
      rows.push({ name, plain: best.plain / 1e9, tiled: best.tiled / 1e9 });
    }
  }
  return { title: `Matmul kernels, GFLOP/s; "${gpu.variants.matmul}" is in force here`, rows };
}

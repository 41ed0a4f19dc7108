import type { Part } from "./harness.ts";

/** What no kernel can exceed on the adapter. */
export const ceilingPart: Part = {
  about: "multiply-adds from registers, and copy bandwidth",
  quick: true,
  run: (bench) =>
    bench.withGpu(async (gpu) => {
      const { flops, matrixFlops, bandwidth } = await bench.ceilings(gpu);
      const rows = [
        { name: "multiply-adds from registers, f32", value: flops / 1e9, unit: "GFLOP/s" },
        {
          name: "of subgroup matrices, f16 with sums in f32",
          value: matrixFlops && matrixFlops / 1e9,
          unit: "GFLOP/s",
        },
        { name: "copy, read and written", value: bandwidth / 1e9, unit: "GB/s" },
      ];
      bench.show({ title: "Ceilings", rows });
    }),
};

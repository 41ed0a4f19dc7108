import { hasHalves } from "../../beyond/storage/precision.ts";
import type { Part } from "../harness.ts";
import { EMBEDDED_SHAPE } from "../shapes.ts";
import type { Row } from "../tables.ts";
import { measure, Space } from "./kernel.ts";
import { cubeProducts } from "./products.ts";

/** Products of square matrices, which are what other libraries tell of themselves. */
export const cubePart: Part = {
  about: "the three products of square matrices",
  quick: true,
  run: (bench) =>
    bench.withGpu(async (gpu) => {
      const ceilings = await bench.ceilings(gpu);
      const rows: Row[] = [];
      for (const size of gpu.isSoftware ? [512, 1024] : [512, 1024, 2048, 4096]) {
        for (const dtype of ["f32", "f16"] as const) {
          for (const product of cubeProducts(size)) {
            const name = `${product.name}, ${dtype}`;
            if (dtype === "f16" && !hasHalves(gpu)) {
              rows.push({ name, rows: size, ms: null });
              continue;
            }
            const space = new Space(gpu, EMBEDDED_SHAPE, dtype);
            const { "ms a layer": _, ...row } = await measure(space, product, ceilings);
            rows.push({ ...row, name });
          }
        }
      }
      bench.show({ title: "Products of square matrices", rows });
    }),
};

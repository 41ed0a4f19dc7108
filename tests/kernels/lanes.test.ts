import { expect, test } from "bun:test";
import { makeOps } from "../../beyond/kernels/ops.ts";
import { linearAdd, linearForward } from "../../beyond/oracle/cases/matrix.ts";
import { rowClassDifferences } from "../../beyond/oracle/row-classes.ts";
import { hasHalves } from "../../beyond/storage/precision.ts";
import { expectCase, testCases, testGpu } from "../kernels.ts";

// The matmul whose rows of weights are shared by four lanes of a subgroup, and the tiles that add as it does.
const gpu = await testGpu();
const ops = makeOps(gpu, 16, { matmul: "lanes" });

const shapes = [
  { T: 1, K: 4, N: 1 },
  { T: 1, K: 148, N: 19 },
  { T: 7, K: 272, N: 37, blockRows: 20, yStride: 40 },
  { T: 17, K: 148, N: 19 },
  { T: 65, K: 132, N: 66 },
];
for (const shape of shapes) {
  const added = shape.T === 7 ? ([undefined, "residual", "bias"] as const) : [undefined];
  const cases = added.map((what) => linearForward(shape, what));
  testCases(JSON.stringify(shape).replace(/"/g, ""), gpu, ops, cases);
}
testCases("scaled and added", gpu, ops, [linearAdd({ T: 5, K: 16, N: 72 }, 200, 64)]);
for (const format of ["f16", "q8_0"] as const) {
  const shape = { T: 5, K: 96, N: 43, blockRows: 20, format };
  testCases(`weights in ${format}`, gpu, ops, [linearForward(shape)]);
}

test.skipIf(!hasHalves(gpu))("activations in f16", async () => {
  const shape = { T: 5, K: 96, N: 43, yStride: 48, x: "f16", y: "f16" } as const;
  await expectCase(gpu, ops, linearForward({ ...shape, format: "f16" }, "bias"));
});

test("an output's bits do not depend on how many rows are in flight", async () => {
  const entries = ["forward"] as const;
  expect((await rowClassDifferences(gpu, ops, { entries })).forward).toBe(0);
  // and the order is not that of the tiled matmul
  const tiled = makeOps(gpu, 16, { matmul: "tiled" });
  expect((await rowClassDifferences(gpu, ops, { fewer: tiled, entries })).forward).toBeGreaterThan(
    0,
  );
});

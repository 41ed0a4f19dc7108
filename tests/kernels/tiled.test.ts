import { expect, test } from "bun:test";
import { makeOps } from "../../beyond/kernels/ops.ts";
import { linearAdd, linearBackward, linearForward } from "../../beyond/oracle/cases/matrix.ts";
import { rowClassDifferences } from "../../beyond/oracle/row-classes.ts";
import { hasHalves } from "../../beyond/storage/precision.ts";
import { FROZEN_FORMATS } from "../../beyond/storage/weight-formats.ts";
import { expectCase, testCases, testGpu } from "../kernels.ts";

// The matmul of GPUs, whatever the adapter: products of up to 64 rows and those of more have tiles of
// their own, 16 x 16 and 64 x 64. A kernel takes over a second to compile here, so that not every entry
// point meets every tile and format; the self-test of an adapter that uses this matmul has them all.
const gpu = await testGpu();
const ops = makeOps(gpu, 16, { matmul: "tiled" });
const added = [undefined, "residual", "bias"] as const;

const shapes = [
  { T: 1, K: 4, N: 1 },
  { T: 17, K: 68, N: 19 },
  { T: 64, K: 12, N: 64 },
  { T: 65, K: 132, N: 66 },
  { T: 131, K: 36, N: 71, yStride: 80 },
  { T: 3, K: 20, N: 9, yStride: 24 },
  { T: 67, K: 20, N: 141, blockRows: 68, yStride: 144 },
];
for (const shape of shapes) {
  const forward =
    shape.T > 64 ? added.map((what) => linearForward(shape, what)) : [linearForward(shape)];
  const cases = [...forward, linearBackward(shape)];
  testCases(JSON.stringify(shape).replace(/"/g, ""), gpu, ops, cases);
}
testCases("scaled and added", gpu, ops, [linearAdd({ T: 70, K: 16, N: 72 }, 200, 64)]);

for (const format of FROZEN_FORMATS) {
  const shape = { T: 5, K: 96, N: 71, blockRows: 40, format };
  const many = format === "q4_1" ? [linearBackward({ ...shape, T: 67 })] : [];
  testCases(`weights in ${format}`, gpu, ops, [linearForward(shape), ...many]);
}

test.skipIf(!hasHalves(gpu))("activations in f16", async () => {
  const both = { x: "f16", y: "f16" } as const;
  const shape = { T: 5, K: 36, N: 71, yStride: 80 };
  const cases = [
    linearForward({ ...shape, ...both }),
    linearForward({ ...shape, ...both }, "bias"),
    linearBackward({ ...shape, x: "f16" }),
    linearForward({ ...shape, ...both, T: 67 }),
  ];
  for (const kernelCase of cases) await expectCase(gpu, ops, kernelCase);
});

test("an output's bits do not depend on how many rows are in flight", async () => {
  const differences = await rowClassDifferences(gpu, ops);
  expect(differences).toEqual({ forward: 0, backward_input: 0 });
  // and the comparison can fail: two orders of a sum
  const mixed = makeOps(gpu, 16, { matmul: "plain" });
  expect((await rowClassDifferences(gpu, ops, { fewer: mixed })).forward).toBeGreaterThan(0);
});

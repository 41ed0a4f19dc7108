import { expect, test } from "bun:test";
import { makeOps } from "../../beyond/kernels/ops.ts";
import { linearSwiglu } from "../../beyond/oracle/cases/matrix.ts";
import { Random } from "../../beyond/oracle/random.ts";
import { hasHalves } from "../../beyond/storage/precision.ts";
import type { Matrix } from "../../lib/model/matrix.ts";
import { expectCase, testGpu } from "../kernels.ts";

// The product of gate and up whose last lines are SwiGLU, which sampling uses, beside the two steps of learning.
const gpu = await testGpu();
const dtypes = hasHalves(gpu) ? ([4, 2] as const) : ([4] as const);

for (const [matmul, rows] of [
  ["plain", 37],
  ["tiled", 5],
  ["lanes", 1],
] as const) {
  const ops = makeOps(gpu, 16, { matmul });
  test(`${matmul}: GeGLU, as the oracle has it`, async () => {
    const geglu = makeOps(gpu, 16, { matmul }, { activation: "gelu" });
    await expectCase(gpu, geglu, linearSwiglu({ T: rows, K: 36, N: 44, activation: "gelu" }));
  });
  test(`${matmul}: as the oracle has it, with the bits of the two steps`, async () => {
    await expectCase(gpu, ops, linearSwiglu({ T: rows, K: 36, N: 44 }));
    const [K, F] = [148, 76];
    const random = new Random(43);
    const [x, w] = [rows * K, 2 * F * K].map((length) => {
      const tensor = gpu.allocate("buffers", "factor", length);
      gpu.upload(tensor, Float32Array.from(random.normal(length)));
      return tensor;
    });
    const weight: Matrix = {
      rows: 2 * F,
      columns: K,
      format: "f32",
      blocks: [{ tensor: w, firstRow: 0, rows: 2 * F }],
    };
    for (const bytes of dtypes) {
      const [gateUp, inTwo, inOne] = [2 * F, F, F].map((width) =>
        gpu.allocate("buffers", "made", rows * width, bytes),
      );
      ops.linear.forward({ x, y: gateUp }, weight, rows);
      ops.swiglu.forward({ gate_up: gateUp, a: inTwo }, rows, F);
      ops.linear.forwardSwiglu({ x, y: inOne }, weight, rows);
      const words = () => new Uint32Array((rows * F * bytes) / 4);
      const bits = await gpu.read(inOne, words());
      expect(new Set(bits).size).toBeGreaterThan(rows);
      expect(bits).toEqual(await gpu.read(inTwo, words()));
      gpu.free([gateUp, inTwo, inOne]);
    }
    gpu.free([x, w]);
  });
}

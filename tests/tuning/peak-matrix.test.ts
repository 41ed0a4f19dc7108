import { describe, expect, test } from "bun:test";
import { hasHalves } from "../../beyond/storage/precision.ts";
import source from "../../beyond/tuning/peak-matrix.wgsl" with { type: "text" };
import { assemble } from "../../lib/gpu/wgsl.ts";
import { emulate, tintErrors } from "../kernels/subgroup-matrix.ts";
import { testGpu } from "../kernels.ts";

const configs = [
  { M: 16, N: 16, K: 16 },
  { M: 8, N: 8, K: 8 },
  { M: 8, N: 16, K: 16 },
];

test("Dawn compiles the shader for every size of matrices", async () => {
  for (const config of configs) {
    expect(await tintErrors(assemble(source, config), "multiply_add")).toEqual([]);
  }
});

describe("emulated", () => {
  test("every chain is ROUNDS products long", async () => {
    const gpu = await testGpu();
    const [{ M, N, K }, rounds] = [configs[2], 3];
    const values = Float32Array.from({ length: 16 }, (_, i) => (i - 7) / 8);
    const from = gpu.allocate("buffers", "source", 16);
    const to = gpu.allocate("buffers", "target", 4 * 8 * M * N);
    gpu.upload(from, values);
    const code = emulate(assemble(source, { M, N, K, ROUNDS: rounds }), hasHalves(gpu));
    const kernel = gpu.commands.kernel("emulated peak", code, "multiply_add");
    gpu.commands.dispatch(kernel, { source: from, target_: to }, {}, [2]);
    const result = await gpu.read(to, new Float32Array(to.length));
    const errors = result.map((value, i) => {
      const chain = Math.floor(i / (M * N)) % 8;
      const [row, column] = [Math.floor((i % (M * N)) / N), i % N];
      let sum = 0;
      for (let k = 0; k < K; k++) {
        const right = k * N + column;
        sum += values[(chain + row * K + k) % 16] * values[(right + Math.floor(right / N)) % 16];
      }
      return Math.abs(value - rounds * sum);
    });
    expect(Math.max(...errors)).toBeLessThan(1e-4);
  });
});

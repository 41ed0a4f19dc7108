import { expect, test } from "bun:test";
import { attentionChoices } from "../../beyond/kernels/attention-choice.ts";
import type { MatmulShape } from "../../beyond/kernels/matmul-family.ts";
import type { SystemGpu } from "../../beyond/platform/gpu.ts";
import { hasHalves } from "../../beyond/storage/precision.ts";
import { searchAttention } from "../../beyond/tuning/attention.ts";
import { candidatesFor } from "../../beyond/tuning/candidates.ts";
import { searchMatmuls } from "../../beyond/tuning/search.ts";
import type { Product } from "../../lib/model/ops/linear.ts";
import { emulatingKernel, shallowest } from "../kernels/subgroup-matrix.ts";
import { testGpu } from "../kernels.ts";

// Tuning on an adapter that has subgroup matrices, as far as an emulation has them.
const gpu = await testGpu();

/** An object of which some members are others; its methods are called on itself. */
function withOthers<T extends object>(object: T, others: Partial<Record<keyof T, unknown>>): T {
  const get = (target: T, key: string | symbol) => {
    if (key in others) return others[key as keyof T];
    const value = Reflect.get(target, key);
    return typeof value === "function" ? value.bind(target) : value;
  };
  return new Proxy(object, { get });
}

const subgroupMatrix = { M: 16, N: 16, K: 16, shallow: false };
const features = new Set([...gpu.device.features, "chromium-experimental-subgroup-matrix"]);
const emulatingGpu = (kernel: SystemGpu["commands"]["kernel"]): SystemGpu =>
  Object.create(gpu, {
    device: { value: withOthers(gpu.device, { features }) },
    variants: { value: { ...gpu.variants, subgroupMatrix } },
    commands: { value: withOthers(gpu.commands, { kernel }) },
  });
const emulating = emulatingGpu(emulatingKernel(gpu, shallowest));
const shapeOf = (product: Product): MatmulShape => {
  const format = product === "backwardWeight" ? "f32" : "f16";
  return { product, K: 32, N: 32, format, dtype: "f16" };
};

test("subgroup matrices are candidates for every product of a run in f16, and for none in f32", () => {
  for (const product of ["forward", "backwardInput", "backwardWeight"] as const) {
    const tilesOf = (shape: MatmulShape) =>
      candidatesFor(emulating, shape).filter(({ family }) => family.name === "matrix").length;
    expect(tilesOf(shapeOf(product))).toBe(4);
    expect(tilesOf({ ...shapeOf(product), dtype: "f32" })).toBe(0);
  }
});

test.skipIf(!hasHalves(gpu))("... where they pass the checks and are timed", async () => {
  const problems: string[] = [];
  const shape = shapeOf("backwardWeight"); // of few rows, for which low tiles alone are tried
  const [{ timings }] = await searchMatmuls(emulating, [shape], 60, (text) => problems.push(text));
  expect(problems).toEqual([]);
  expect(timings.some(({ family }) => family.name === "matrix")).toBe(true);
});

test.skipIf(!hasHalves(gpu))("... and so for attention, forward and backward", async () => {
  const problems: string[] = [];
  const shape = { heads: 2, kvHeads: 1, headDim: 16, dtype: "f16" } as const;
  const ways = attentionChoices(shape.headDim, 16_384, subgroupMatrix).slice(0, 2);
  const whole = emulatingGpu(emulatingKernel(gpu));
  const tuned = await searchAttention(whole, shape, (text) => problems.push(text), { ways });
  expect(problems).toEqual([]);
  expect(tuned.times.map(([{ attention }]) => attention)).toContain("matrix");
});

import { describe, expect, test } from "bun:test";
import { makeOps } from "../../beyond/kernels/ops.ts";
import {
  encodeSafetensors,
  openSafetensors,
  tensorSources,
} from "../../beyond/models/safetensors.ts";
import { type AdamwState, adamwStep } from "../../beyond/oracle/adamw.ts";
import { dynamicMap } from "../../beyond/oracle/adamw8.ts";
import { norm } from "../../beyond/oracle/compare.ts";
import { Random } from "../../beyond/oracle/random.ts";
import { makeMoments, OPTIMIZERS, type OptimizerName } from "../../beyond/storage/moments.ts";
import { MemoryPlanner } from "../../lib/gpu/memory.ts";
import { Optimizer, OptimizerMemory } from "../../lib/model/optimizer.ts";
import { SlabLayout, Slabs } from "../../lib/model/slabs.ts";
import maps from "../golden/dynamic_map.json";
import { testGpu } from "../kernels.ts";

const gpu = await testGpu();
const ops = makeOps(gpu, 16);

/** Two matrices, the first in two slabs, and a vector; no length is a multiple of a block. */
class Layout extends SlabLayout {
  constructor(bindingLimit = 64_000) {
    const shapes = new Map([
      ["a", [330, 52]],
      ["b", [7, 12]],
      ["c", [43]],
    ]);
    super(shapes, { bindingLimit, bufferLimit: gpu.bufferLimit, alignment: gpu.alignment });
    this.stack("a", ["a"]);
    this.stack("b", ["b"]);
    this.stack("c", ["c"]);
  }
}
const layout = new Layout();
const settings = {
  adamBeta1: 0.9,
  adamBeta2: 0.999,
  adamEpsilon: 1e-8,
  weightDecay: 0.01,
  maxGradNorm: 0,
};

/** Parameters, and an optimizer that has made `steps` updates from gradients that depend on the step alone. */
async function optimized(optim: OptimizerName, steps: number) {
  const moments = makeMoments(gpu, { layout, optim, seed: 7 });
  const memory = new OptimizerMemory(gpu, layout, moments);
  const weights = new Slabs(gpu, layout, "weights", "weights");
  const gradients = new Slabs(gpu, layout, "gradients", "gradients");
  const optimizer = new Optimizer(gpu, ops, memory, settings);
  const update = async (step: number) => {
    const random = new Random(3, step);
    for (const slab of gradients.slabs) {
      const spread = Float32Array.from(random.normal(slab.length), (g, i) => g * 10 ** -(i % 4));
      gpu.upload(slab, spread);
    }
    await optimizer.update(weights, gradients, 1e-3, step);
  };
  for (let step = 1; step <= steps; step++) await update(step);
  return { moments, weights, update };
}

const bytesOf = async (tensors: Parameters<typeof encodeSafetensors>[0]) =>
  new Blob(
    (await Array.fromAsync(encodeSafetensors(tensors))) as Uint8Array<ArrayBuffer>[],
  ).bytes();

describe.each([...OPTIMIZERS])("moments of %s", (optim) => {
  test("come back from a file bit for bit, and go on alike", async () => {
    const { moments, weights, update } = await optimized(optim, 3);
    const file = await bytesOf(moments.sources(gpu));
    const other = await optimized(optim, 0);
    other.weights.copyFrom(gpu, weights);
    const stored = await openSafetensors(new Blob([file]), "optimizer.safetensors");
    await other.moments.load(gpu, stored);
    expect(await bytesOf(other.moments.sources(gpu))).toEqual(file);
    await update(4);
    await other.update(4);
    expect(await bytesOf(tensorSources(gpu, other.weights))).toEqual(
      await bytesOf(tensorSources(gpu, weights)),
    );
    expect(await bytesOf(moments.sources(gpu))).not.toEqual(file);
  });
});

test("8-bit moments take a quarter of the memory, and a 64th of that for scales", () => {
  const bytes = (name: OptimizerName) => {
    const plan = new MemoryPlanner(64_000, 2 ** 28, 256);
    makeMoments(plan, { layout, optim: name });
    return plan.total;
  };
  expect(bytes("adamw_8bit") / bytes("adamw")).toBeCloseTo((1 / 4) * (1 + 1 / 64), 3);
});

test("8-bit moments of another layout are refused", async () => {
  const { moments } = await optimized("adamw_8bit", 1);
  const stored = await openSafetensors(new Blob([await bytesOf(moments.sources(gpu))]), "o");
  const other = makeMoments(gpu, { layout: new Layout(50_000), optim: "adamw_8bit" });
  await expect(other.load(gpu, stored)).rejects.toThrow(
    /o: its 8-bit moments are cut for an adapter/,
  );
});

test("40 steps of noise over four decades with 8-bit moments lead near where float64's lead", async () => {
  const steps = 40;
  const { weights, update } = await optimized("adamw_8bit", 0);
  const { length } = weights.slabs[1];
  const zeros = () => new Float64Array(length);
  let exact: AdamwState = { parameters: zeros(), first: zeros(), second: zeros() };
  const adamw = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
  for (let step = 1; step <= steps; step++) {
    await update(step);
    const random = new Random(3, step);
    const draws = weights.slabs.map((slab) => random.normal(slab.length));
    const gradient = draws[1].map((g, i) => g * 10 ** -(i % 4));
    exact = adamwStep(exact, gradient, step, adamw);
  }
  const moved = await gpu.read(weights.slabs[1], new Float32Array(length));
  const difference = norm(exact.parameters.map((value, i) => value - moved[i]));
  expect(difference / norm(exact.parameters)).toBeLessThan(0.15);
});

test("the maps are those of bitsandbytes", () => {
  for (const [name, values] of Object.entries(maps)) {
    expect(values.length).toBe(256);
    const ours = Float32Array.from(dynamicMap(name === "signed"));
    for (const [i, value] of values.entries()) {
      expect(Math.abs(ours[i] - value)).toBeLessThanOrEqual(1e-6 * Math.abs(value));
    }
  }
});

import { describe, expect, test } from "bun:test";
import { MATMUL_FAMILIES } from "../../beyond/kernels/matmul-families.ts";
import { LARGEST_PARTS } from "../../beyond/kernels/matmul-family.ts";
import { matrixCases } from "../../beyond/oracle/cases/small.ts";
import {
  type MatmulShape,
  matmulBackwardInput,
  matmulBackwardWeight,
  roundGradient,
} from "../../beyond/oracle/matmul.ts";
import { Random } from "../../beyond/oracle/random.ts";
import { rowClassDifferences } from "../../beyond/oracle/row-classes.ts";
import { hasHalves } from "../../beyond/storage/precision.ts";
import { packValues } from "../../beyond/storage/weight-formats.ts";
import type { Tensor } from "../../lib/gpu/memory.ts";
import type { Ops } from "../../lib/model/ops.ts";
import { testCases, testGpu } from "../kernels.ts";
import { emulatingOps, shallowest } from "./subgroup-matrix.ts";

// The backward products of subgroup matrices, emulated: ops-matrix.test.ts has the shader itself compiled.
const gpu = await testGpu();
const nvidia = { M: 16, N: 16, K: 16, shallow: false };
const tiles = MATMUL_FAMILIES.find(({ name }) => name === "matrix")?.tiles ?? [];

/** Ops with one tile for every row class, or with those that are built in. */
function opsWith(subgroupMatrix = nvidia, tile = gpu.variants.tiles.matrix): Ops {
  const given = { matmul: "matrix", subgroupMatrix } as const;
  const chosen = { ...gpu.variants.tiles, matrix: tile };
  return emulatingOps(gpu, 16, { ...given, tiles: chosen }, shallowest);
}

type Operands = Record<"x" | "w" | "dy" | "before", Float64Array>;

/** x, W and dy as a product reads them, dy [T, N] made of normal numbers by `change`. */
function operands(
  { T, K, N }: MatmulShape,
  change = (value: number, _row: number) => value,
): Operands {
  const random = new Random(51, T, K, N);
  const [x, w] = [T * K, N * K].map((n) => random.normal(n).map(Math.f16round));
  const dy = random.normal(T * N).map((value, i) => Math.fround(change(value, Math.floor(i / N))));
  return { x, w, dy, before: random.normal(N * K) };
}

/** dx and dW + `before` of dy, whose rows lie `yStride` apart behind what is no number; and the partial maxima. */
async function products(
  ops: Ops,
  { T, K, N }: MatmulShape,
  { x, w, dy, before }: Operands,
  yColumn = 0,
  yStride = yColumn + 4 * Math.ceil(N / 4),
) {
  const made: Tensor[] = [];
  const tensor = (name: string, data: Float32Array | Uint32Array, elementBytes: 2 | 4 = 4) => {
    const length = data.byteLength / elementBytes;
    const one = gpu.allocate("buffers", name, length, elementBytes);
    gpu.upload(one, data);
    made.push(one);
    return one;
  };
  const halves = (data: Float64Array) => packValues(Float32Array.from(data), "f16", data.length);
  const blank = (length: number) => new Float32Array(length).fill(Number.NaN);
  const strided = blank(T * yStride);
  for (let t = 0; t < T; t++) strided.set(dy.subarray(t * N, t * N + N), t * yStride + yColumn);
  const tensors = {
    dy: tensor("dy", strided),
    x: tensor("x", halves(x), 2),
    dx: tensor("dx", blank(T * K)),
    partial: tensor("partial", blank(LARGEST_PARTS)),
  };
  const matrix = (tensor: Tensor, format: "f16" | "f32") => ({
    rows: N,
    columns: K,
    format,
    blocks: [{ tensor, firstRow: 0, rows: N }],
  });
  const weight = matrix(tensor("w", halves(w)), "f16");
  const sum = tensor("dw", Float32Array.from(before));
  ops.linear.backwardBlock(tensors, weight, matrix(sum, "f32"), 0, T, yStride, yColumn);
  const dx = await gpu.read(tensors.dx, new Float32Array(T * K));
  const dw = await gpu.read(sum, new Float32Array(N * K));
  const partial = await gpu.read(tensors.partial, new Float32Array(LARGEST_PARTS));
  gpu.free(made);
  return { dx, dw, partial };
}

/**
 * Fails unless every element errs by less than what rounding dy leaves, u |dy| or v of its largest magnitude, times the
 * other factor, and what sums in f32 of so many terms leave, beside the rounding of the result.
 */
function expectWithin(
  actual: Float32Array,
  { dx, dw }: { dx?: Float64Array; dw?: Float64Array },
  shape: MatmulShape,
  { x, w, dy, before }: Operands,
  u: number,
  v: number,
) {
  const largest = dy.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const error = dy.map((value) => Math.max(u * Math.abs(value), v * largest));
  const size = (values: Float64Array) => values.map(Math.abs);
  const terms = 2 ** -23 * (2 + (dx ? shape.N : shape.T));
  const of = (gradient: Float64Array) =>
    dx
      ? matmulBackwardInput(gradient, size(w), shape)
      : matmulBackwardWeight(gradient, size(x), shape);
  const [rounding, summing] = [of(error), of(size(dy))];
  const reference = dx ?? dw ?? new Float64Array();
  for (let i = 0; i < reference.length; i++) {
    const already = dx ? 0 : Math.abs(before[i]);
    const allowed = rounding[i] + terms * (summing[i] + already);
    const off = Math.abs(actual[i] - reference[i]);
    if (off <= allowed) continue;
    throw new Error(
      `[${i}] is ${actual[i]}, not ${reference[i]}: off by ${off}, ${allowed} allowed`,
    );
  }
}

/** Both products are within f16's rounding of dy, and within f32's of what they are with dy rounded as it must be. */
async function expectProducts(ops: Ops, shape: MatmulShape, given: Operands) {
  const { x, w, dy, before } = given;
  const { dx, dw } = await products(ops, shape, given);
  const of = (gradient: Float64Array) => ({
    dx: matmulBackwardInput(gradient, w, shape),
    dw: matmulBackwardWeight(gradient, x, shape, before),
  });
  for (const [gradient, u, v] of [
    [dy, 2 ** -11, 2 ** -39],
    [roundGradient(dy), 0, 0],
  ] as const) {
    const reference = of(gradient);
    const rounded = { ...given, dy: gradient };
    expectWithin(dx, { dx: reference.dx }, shape, rounded, u, v);
    expectWithin(dw, { dw: reference.dw }, shape, rounded, u, v);
  }
  return { dx, dw };
}

const why = hasHalves(gpu) ? "" : `, skipped: ${gpu.found.name} has no shader-f16`;
describe.skipIf(!hasHalves(gpu))(`emulated${why}`, () => {
  const ops = opsWith();

  for (const shape of [
    { T: 1, K: 4, N: 1 },
    { T: 5, K: 20, N: 3 },
    { T: 37, K: 100, N: 71 },
    { T: 67, K: 52, N: 66 },
    { T: 131, K: 36, N: 261 },
    { T: 261, K: 132, N: 17 },
  ]) {
    const name = JSON.stringify(shape).replace(/"/g, "");
    test(`16x16x16 ${name}`, () => expectProducts(ops, shape, operands(shape)).then());
  }

  testCases("every format, several blocks, LoRA", gpu, ops, matrixCases().slice(-7));

  test("the matrices of Apple and Intel", async () => {
    const shape = { T: 37, K: 100, N: 71 };
    for (const { M, N, K } of [
      { M: 8, N: 8, K: 8 },
      { M: 8, N: 16, K: 16 },
    ]) {
      const sized = opsWith({ M, N, K, shallow: true }, "16x16");
      await expectProducts(sized, shape, operands(shape));
    }
  });

  const shape = { T: 37, K: 100, N: 71 };
  test("any range of dy", async () => {
    const ranges: ((value: number, row: number) => number)[] = [
      (value, row) => value * (row % 2 ? 1e-12 : 1e3),
      (value, row) => value * 10 ** -(row % 13),
      (value) => 1e-30 * value,
      (value) => 1e-36 * value,
      (value) => 1e35 * value,
      (value, row) => (row === 17 ? value : 0),
      (value) => Math.sign(value) * (2 - 2 ** -23), // rounds up to a power of two
    ];
    for (const change of ranges) await expectProducts(ops, shape, operands(shape, change));
  });

  test("the bits do not depend on the tile, nor on what else is in flight", async () => {
    const given = operands(shape);
    const [first, ...others] = tiles.map(({ name }) => name);
    const bits = await products(opsWith(nvidia, first), shape, given);
    for (const name of others) {
      expect(await products(opsWith(nvidia, name), shape, given)).toEqual(bits);
    }
    const options = { entries: ["backward_input"], format: "f16", dtype: "f16" } as const;
    expect((await rowClassDifferences(gpu, ops, options)).backward_input).toBe(0);
  });

  test("a power of two in dy is one in the results", async () => {
    const given = operands(shape);
    const { dx } = await products(ops, shape, given);
    const scaled = await products(
      ops,
      shape,
      operands(shape, (value) => 2 ** -60 * value),
    );
    expect(scaled.dx).toEqual(dx.map((value) => 2 ** -60 * value));
  });

  test("zeros leave zeros, and W's gradient as it is", async () => {
    const given = operands(shape, () => 0);
    const { dx, dw } = await products(ops, shape, given);
    expect(dx.every((value) => value === 0)).toBe(true);
    expect(dw).toEqual(Float32Array.from(given.before));
  });

  test("what is not finite leaves nothing finite", async () => {
    for (const what of [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN]) {
      const given = operands(shape);
      given.dy[given.dy.length - 1] = what;
      const { dx, dw } = await products(ops, shape, given);
      expect(dx.some(Number.isFinite)).toBe(false);
      expect(dw.some(Number.isFinite)).toBe(false);
    }
  });

  test("the largest magnitude is found wherever it is, and nowhere else", async () => {
    const shape = { T: 1100, K: 4, N: 1001 }; // more vectors than are in flight at once
    const places = [0, 1001 * 1100 - 1, 1001 * 977 + 500];
    const given = operands(shape);
    const low = opsWith(nvidia, "16x16");
    for (const [i, place] of places.entries()) {
      const dy = given.dy.map((value) => value / 100);
      dy[place] = -7 - i;
      const { partial, dx } = await products(low, shape, { ...given, dy }, 12, 1016);
      expect(partial.reduce((most, value) => Math.max(most, value), 0)).toBe(7 + i);
      expect(dx.every(Number.isFinite)).toBe(true); // by the rest alone, it would not be in f16's range
    }
  });

  test("the check can fail", async () => {
    const given = operands(shape);
    const wrong = { ...given, dy: given.dy.map((value) => 1.001 * value) };
    const { dx } = await products(ops, shape, wrong);
    const reference = matmulBackwardInput(given.dy, given.w, shape);
    expect(() => expectWithin(dx, { dx: reference }, shape, given, 2 ** -11, 2 ** -39)).toThrow();
  });
});

import { expect, test } from "bun:test";
import { MATMUL_FAMILIES, tilesOn } from "../../beyond/kernels/matmul-families.ts";
import {
  formatChoice,
  matmulChoice,
  parseChoice,
  ROW_CLASSES,
  rowClass,
  shapeKey,
} from "../../beyond/kernels/matmuls.ts";
import { chooseVariants } from "../../beyond/kernels/variants.ts";

const shape = { product: "forward", K: 64, N: 192, format: "f32", dtype: "f32" } as const;
const gpu = chooseVariants("NVIDIA H100", false);

test("row classes", () => {
  const rows = [1, 2, 8, 9, 64, 65, 256, 257, 1e6];
  expect(rows.map(rowClass)).toEqual([0, 1, 1, 2, 2, 3, 3, 4, 4]);
});

test("without tuning, a shape gets the family and the tiles of the adapter", () => {
  const built = (name: string, software: boolean, lanes?: number) =>
    formatChoice(matmulChoice(chooseVariants(name, software, lanes), shape));
  const [swiftShader, lavapipe] = ["SwiftShader Device (Subzero)", "llvmpipe (LLVM 15)"];
  expect(built(swiftShader, true)).toBe("plain 4x8 4x8 4x8 16x16 16x16");
  expect(built(lavapipe, true)).toBe("plain 4x8");
  expect(built(swiftShader, true, 4)).toBe(
    "plain subgroup-4x16 subgroup-8x16 subgroup-8x16 16x16 16x16",
  );
  expect(built(lavapipe, true, 8)).toBe(
    "plain subgroup-4x32 subgroup-8x32 subgroup-16x32 subgroup-16x32 subgroup-16x32",
  );
  expect(built("NVIDIA H100", false)).toBe("tiled 16x16 16x16 16x16 64x64 64x64");
});

test("tiles for subgroups are for adapters whose subgroups have as many lanes", () => {
  const names = (size: number, ...features: string[]) => {
    const adapterInfo = { subgroupMinSize: size, subgroupMaxSize: size };
    const limits = { maxComputeInvocationsPerWorkgroup: 256, maxComputeWorkgroupStorageSize: 0 };
    const device = { features: new Set(features), adapterInfo, limits } as unknown as GPUDevice;
    return tilesOn({ device, variants: gpu }, MATMUL_FAMILIES[0]).map(({ name }) => name);
  };
  expect(names(8, "subgroups").slice(2)).toEqual([
    "subgroup-4x32",
    "subgroup-8x32",
    "subgroup-16x32",
  ]);
  expect(names(32, "subgroups")).toEqual(["4x8", "16x16"]);
  expect(names(8)).toEqual(["4x8", "16x16"]);
});

test("a tuned shape gets what was chosen for it, others do not", () => {
  const tuned = { [shapeKey(shape)]: "plain 4x8 4x8 16x16 16x16 16x16" };
  const choice = (changes: object) =>
    formatChoice(matmulChoice({ ...gpu, tuned }, { ...shape, ...changes }));
  expect(choice({})).toBe(tuned[shapeKey(shape)]);
  for (const other of [{ product: "backwardInput" }, { K: 68 }, { N: 64 }, { dtype: "f16" }]) {
    expect(choice(other)).toBe("tiled 16x16 16x16 16x16 64x64 64x64");
  }
});

test("subgroup matrices make what is in f16, or made from it; the rest is tiled", () => {
  const made = (changes: object) => {
    const variants = { ...gpu, matmul: "matrix" } as const;
    return matmulChoice(variants, { ...shape, dtype: "f16", format: "f16", ...changes }).family
      .name;
  };
  expect(made({})).toBe("matrix");
  expect(made({ product: "backwardInput" })).toBe("matrix");
  expect(made({ product: "backwardInput", format: "q8_0" })).toBe("matrix");
  expect(made({ product: "backwardWeight", format: "f32" })).toBe("matrix");
  // LoRA's adapters, and runs in f32, whose gradients are never rounded
  expect(made({ product: "backwardInput", format: "f32" })).toBe("tiled");
  expect(made({ product: "backwardInput", dtype: "f32" })).toBe("tiled");
  expect(made({ product: "backwardWeight", format: "f32", dtype: "f32" })).toBe("tiled");
});

test("choices are read back as they were written, and what names nothing is not one", () => {
  for (const family of MATMUL_FAMILIES) {
    const tiles = ROW_CLASSES.map((_, i) => family.tiles[i % family.tiles.length]);
    for (const choice of [
      { family, tiles },
      { family, tiles: tiles.fill(family.tiles[0]) },
    ]) {
      expect(parseChoice(formatChoice(choice))).toEqual(choice);
    }
  }
  for (const text of ["", "plain", "fast 4x8", "plain 5x5", "plain 4x8 4x8", "tiled 4x8"]) {
    expect(parseChoice(text)).toBeUndefined();
  }
});

test("every invocation of a tiled matmul stages one block of each factor", () => {
  const tiled = MATMUL_FAMILIES.find(({ name }) => name === "tiled");
  for (const { constants } of tiled?.tiles ?? []) {
    const { ROWS, VECTORS, GROUP_X, GROUP_Y } = constants;
    const depth = GROUP_Y / VECTORS; // vectors of the contraction in a step
    expect(((ROWS * GROUP_Y) / 4) * depth).toBe(GROUP_X * GROUP_Y);
    expect(depth * VECTORS * GROUP_X).toBe(GROUP_X * GROUP_Y);
    expect(Math.log2(depth) % 1).toBe(0);
  }
});

import { describe, expect, test } from "bun:test";
import {
  constantsOf,
  MATMUL_FAMILIES,
  matmulSource,
} from "../../beyond/kernels/matmul-families.ts";
import { linearAdd, linearForward, linearSwiglu } from "../../beyond/oracle/cases/matrix.ts";
import { rowClassDifferences } from "../../beyond/oracle/row-classes.ts";
import { hasHalves } from "../../beyond/storage/precision.ts";
import { readerFiles, storeHalves } from "../../beyond/storage/storage-kernels.ts";
import { FROZEN_FORMATS } from "../../beyond/storage/weight-formats.ts";
import { assemble } from "../../lib/gpu/wgsl.ts";
import { OUTPUTS } from "../../lib/model/ops/files.ts";
import { testCases, testGpu } from "../kernels.ts";
import { emulatingOps, shallowest, tintErrors } from "./subgroup-matrix.ts";

// The matmul of subgroup matrices, which no software adapter has: the shader itself is compiled by Dawn, and
// what it computes is tried emulated.
const gpu = await testGpu();
const family = MATMUL_FAMILIES.find(({ name }) => name === "matrix");
if (!family) throw new Error("no matmul of subgroup matrices");
const configs = {
  NVIDIA: { M: 16, N: 16, K: 16, shallow: false },
  Apple: { M: 8, N: 8, K: 8, shallow: true },
  Intel: { M: 8, N: 16, K: 16, shallow: true },
};

const passes = [
  {
    isBackward: false,
    entries: ["forward", "forward_swiglu"],
    formats: FROZEN_FORMATS,
    halves: [["x"], ["x", "y"]],
  },
  { isBackward: true, entries: ["backward_input"], formats: FROZEN_FORMATS, halves: [["x"]] },
  { isBackward: true, entries: ["backward_weight"], formats: ["f32"], halves: [["x"]] },
] as const;

test("Dawn compiles every tile, entry point and format", async () => {
  const enabled = matmulSource(family);
  for (const subgroupMatrix of Object.values(configs)) {
    for (const tile of family.tiles) {
      for (const { isBackward, entries, formats, halves } of passes) {
        const variants = { ...gpu.variants, subgroupMatrix };
        const constants = constantsOf(family, tile, variants, isBackward);
        for (const format of formats) {
          for (const stored of halves) {
            for (const output of isBackward ? [OUTPUTS[""]] : Object.values(OUTPUTS)) {
              const files = { ...readerFiles(format, enabled), "outputs/store.wgsl": output };
              const source = matmulSource(family, tile, files);
              const code = assemble(storeHalves(source, stored), constants);
              for (const entry of entries) {
                const room = subgroupMatrix.shallow ? 32_768 : 49_152;
                expect((await tintErrors(code, entry)).filter(exceeding(room))).toEqual([]);
              }
            }
          }
        }
      }
    }
  }
});

/** All but the complaint that workgroup memory of up to `room` bytes is too much: the null adapter has less of it. */
function exceeding(room: number) {
  return (error: string) => {
    const bytes = /total use of workgroup storage \((\d+) bytes\)/.exec(error)?.[1];
    return bytes === undefined || Number(bytes) > room;
  };
}

const why = hasHalves(gpu) ? "" : `, skipped: ${gpu.found.name} has no shader-f16`;
describe.skipIf(!hasHalves(gpu))(`emulated${why}`, () => {
  const both = { x: "f16", y: "f16", format: "f16" } as const;
  const opsOf = (name: keyof typeof configs) =>
    emulatingOps(gpu, 16, { matmul: "matrix", subgroupMatrix: configs[name] }, shallowest);
  const nvidia = opsOf("NVIDIA");
  const shapes = [
    { T: 1, K: 4, N: 1 },
    { T: 5, K: 148, N: 23, yStride: 32 },
    { T: 3, K: 272, N: 37, blockRows: 20, yStride: 40 },
    { T: 37, K: 100, N: 71 },
    { T: 67, K: 52, N: 66 },
    { T: 261, K: 36, N: 131 },
  ];
  for (const shape of shapes) {
    const name = JSON.stringify(shape).replace(/"/g, "");
    testCases(`16x16x16 ${name}`, gpu, nvidia, [linearForward({ ...shape, ...both })]);
  }
  const few = { T: 8, K: 96, N: 43, blockRows: 20, yStride: 44 };
  testCases("a residual, a bias, scaled and added, SwiGLU", gpu, nvidia, [
    linearForward({ ...few, ...both, y: "f32" }, "residual"),
    linearForward({ ...few, ...both, y: "f32" }, "bias"),
    linearAdd({ T: 8, K: 96, N: 44, ...both, dy: "f16" }, 60, 12),
    linearSwiglu({ T: 8, K: 96, N: 44, ...both }),
  ]);
  for (const format of ["q8_0", "q4_1"] as const) {
    testCases(`weights in ${format}`, gpu, nvidia, [linearForward({ ...few, ...both, format })]);
  }
  for (const name of ["Apple", "Intel"] as const) {
    const shape = { T: 37, K: 100, N: 71, ...both };
    testCases(`the matrices of ${name}`, gpu, opsOf(name), [linearForward(shape)]);
  }
  test("an output's bits do not depend on how many rows are in flight", async () => {
    const options = { entries: ["forward"], format: "f16", dtype: "f16" } as const;
    expect((await rowClassDifferences(gpu, nvidia, options)).forward).toBe(0);
  });
});

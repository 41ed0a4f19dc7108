import { describe, expect, test } from "bun:test";
import {
  backwardMemory,
  forwardMemory,
  MATRIX_SOURCES,
  matrixConstants,
} from "../../beyond/kernels/attention-matrix.ts";
import { attentionDifferences } from "../../beyond/oracle/attention-layouts.ts";
import { attention, splitAttention } from "../../beyond/oracle/cases/attention.ts";
import { hasHalves } from "../../beyond/storage/precision.ts";
import { halvable, storeHalves } from "../../beyond/storage/storage-kernels.ts";
import { assemble } from "../../lib/gpu/wgsl.ts";
import { expectCase, testGpu } from "../kernels.ts";
import { packGroups } from "../oracle/packing.ts";
import { emulatingOps, tintErrors } from "./subgroup-matrix.ts";

// Attention by subgroup matrices: emulated, where an adapter has f16, and the shader itself compiled by Dawn.
const gpu = await testGpu();
const sizes = {
  nvidia: { M: 16, N: 16, K: 16, shallow: false },
  apple: { M: 8, N: 8, K: 8, shallow: true },
};
const packed = packGroups([
  { prompt: new Array(11).fill(0), completions: [1, 17].map((n) => new Array(n).fill(0)) },
  { prompt: [0], completions: [3, 5].map((n) => new Array(n).fill(0)) },
]);
const group = { spans: packed.spans, rows: packed.tokens.length };
// One, two and three chunks of keys.
const caches = {
  spans: Uint32Array.of(0, 100, 200, 205, 0, 100, 150, 250, 0, 150, 160, 300),
  rows: 300,
};

describe.skipIf(!hasHalves(gpu))("emulated", () => {
  const heads = { heads: 6, kvHeads: 2, headDim: 48 };
  const ops = emulatingOps(gpu, heads.headDim, {
    attention: "matrix",
    subgroupMatrix: sizes.nvidia,
  });

  test("learning, decoding, and decoding by chunks", async () => {
    const cases = [
      ...attention({ ...group, ...heads }, { dtype: "f16" }),
      ...attention({ ...caches, ...heads }, { dtype: "f16", isDecoding: true }),
      ...attention({ ...group, ...heads, window: 4 }, { dtype: "f16" }),
      splitAttention({ ...caches, ...heads }, "f16"),
    ];
    for (const kernelCase of cases) await expectCase(gpu, ops, kernelCase);
  });

  test("as Apple has them, fewer matrices than subgroups, and more heads than a tile has rows", async () => {
    const run = async (size: keyof typeof sizes, heads: number, headDim: number) => {
      const shape = { heads, kvHeads: 2, headDim };
      const subgroupMatrix = sizes[size];
      const shaped = emulatingOps(gpu, headDim, { attention: "matrix", subgroupMatrix });
      for (const c of attention({ ...group, ...shape }, { dtype: "f16" }).slice(0, 1)) {
        await expectCase(gpu, shaped, c);
      }
    };
    await run("apple", 4, 32);
    await run("nvidia", 36, 80);
  });

  test("a query has the same bits in all of them", async () => {
    const differences = await attentionDifferences(gpu, heads.headDim, ops, ops, "f16");
    expect(differences).toEqual({ decoding: 0, split: 0, alone: 0 });
  });
});

describe("the shaders", () => {
  const entries = {
    forward: ["forward", "forward_chunk"],
    backward: ["backward_delta", "backward_query", "backward_key"],
  } as const;
  /** What each entry point uses of the workgroup memory of its shader. */
  const memoryOf = (entry: string, headDim: number, { PIECE, BLOCK }: Record<string, number>) => {
    if (entry === "backward_delta") return 8 * 128;
    if (BLOCK === undefined) return forwardMemory(headDim, PIECE);
    const softmax = entry === "backward_query" ? 12 * BLOCK : 0; // of walked queries
    return backwardMemory(headDim, BLOCK) - softmax;
  };

  for (const [adapter, size] of Object.entries(sizes)) {
    test(`are as WGSL wants them, for matrices as ${adapter} has them`, async () => {
      for (const headDim of [16, 32, 48, 64, 80, 96, 112, 128]) {
        const constants = matrixConstants(headDim, size);
        for (const shader of ["forward", "backward"] as const) {
          const source = MATRIX_SOURCES[shader];
          const halves = halvable(source).map(({ name }) => name);
          const code = assemble(storeHalves(source, halves), constants?.[shader]);
          for (const entry of entries[shader]) {
            const memory = memoryOf(entry, headDim, constants?.[shader] ?? {});
            expect(memory).toBeLessThanOrEqual(32_768);
            // Dawn's null adapter has no more than 16 KiB: it is told last, when all else is in order
            const [error, ...others] = await tintErrors(code, entry);
            if (memory <= 16_384) expect(error).toBeUndefined();
            else expect(error).toContain(`total use of workgroup storage (${memory} bytes)`);
            expect(others).toEqual([]);
          }
        }
      }
    });
  }

  test("do without heads that they have no room for", () => {
    expect(matrixConstants(72, sizes.nvidia)).toBeNull();
    expect(matrixConstants(256, sizes.nvidia)).toBeNull();
    const rows = [64, 128].map((headDim) => {
      const { forward, backward } = matrixConstants(headDim, sizes.nvidia) ?? {};
      return [forward?.PIECE, backward?.BLOCK];
    });
    expect(rows).toEqual([
      [64, 32],
      [32, 16],
    ]);
    expect(forwardMemory(64, 64)).toBe(25_344);
    expect([backwardMemory(64, 32), backwardMemory(128, 16)]).toEqual([21_376, 27_584]);
  });
});

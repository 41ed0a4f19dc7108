import { describe, expect, test } from "bun:test";
import {
  attentionTile,
  TILED_SOURCES,
  type TiledEntry,
  tileConstants,
  tileMemory,
} from "../../beyond/kernels/attention-tiled.ts";
import { makeOps } from "../../beyond/kernels/ops.ts";
import { attentionDifferences } from "../../beyond/oracle/attention-layouts.ts";
import { attention, splitAttention } from "../../beyond/oracle/cases/attention.ts";
import { hasHalves } from "../../beyond/storage/precision.ts";
import { halvable, storeHalves } from "../../beyond/storage/storage-kernels.ts";
import { assemble } from "../../lib/gpu/wgsl.ts";
import { expectCase, testCases, testGpu } from "../kernels.ts";
import { packGroups } from "../oracle/packing.ts";
import { tintErrors } from "./subgroup-matrix.ts";

// The attention of GPUs, whatever the adapter. Its kernels compile slowly here, the more products an invocation
// has in registers, so that most tests have smaller tiles than a GPU: those that fit in less memory.
const gpu = await testGpu();
const tiled = (headDim: number, attentionMemory: number) =>
  makeOps(gpu, headDim, { attention: "tiled", attentionMemory });
const small = tiled(32, 2048);

/** 43 tokens: tiles lie across the ends of prompts and completions. */
const packed = packGroups([
  { prompt: new Array(11).fill(0), completions: [1, 17].map((n) => new Array(n).fill(0)) },
  { prompt: [0], completions: [3, 5].map((n) => new Array(n).fill(0)) },
  { prompt: new Array(5).fill(0), completions: [] },
]);
const group = { spans: packed.spans, lastQuery: packed.lastQuery, rows: packed.tokens.length };
const decoding = {
  spans: Uint32Array.of(0, 17, 40, 41, 0, 17, 42, 49, 20, 21, 33, 33 + 5),
  rows: 50,
};

const grouped = { heads: 6, kvHeads: 2, headDim: 32 };
testCases("small tiles", gpu, small, [
  ...attention({ ...group, ...grouped }),
  ...attention({ ...decoding, ...grouped }),
  // more heads than a tile has rows: each tile has a part of a token's
  ...attention({ ...decoding, ...grouped, heads: 22 }),
  ...attention({ ...group, ...grouped }, { scale: 40 }),
  ...[1, 4, 9].flatMap((window) => attention({ ...group, ...grouped, window })),
  ...attention({ ...decoding, ...grouped, window: 9 }, { isDecoding: true }),
]);
const long = {
  spans: Uint32Array.of(0, 100, 200, 205, 0, 100, 150, 250, 0, 150, 160, 300),
  rows: 300,
};
testCases("long caches, split", gpu, small, [splitAttention({ ...long, ...grouped })]);
testCases("an odd number of vectors a head", gpu, tiled(12, 1024), [
  ...attention({ ...group, heads: 2, kvHeads: 2, headDim: 12 }),
]);

test.skipIf(!hasHalves(gpu))("activations in f16", async () => {
  const cases = attention({ ...group, ...grouped }, { dtype: "f16" });
  for (const kernelCase of cases) await expectCase(gpu, small, kernelCase);
});

test("a query has the same bits in learning, in decoding and alone", async () => {
  const { headDim } = grouped;
  expect(await attentionDifferences(gpu, headDim, small)).toEqual({
    decoding: 0,
    split: 0,
    alone: 0,
  });
  // and the comparison can fail: blocks of another size
  const others = tiled(headDim, 1024);
  const { decoding, split, alone } = await attentionDifferences(gpu, headDim, small, others);
  expect(Math.min(decoding, split, alone)).toBeGreaterThan(0);
});

describe("the tiles of GPUs", () => {
  const memory = 16_384;
  const entries: TiledEntry[] = ["forward", "backward_query", "backward_key"];
  for (const headDim of [16, 24, 32, 64, 80, 96, 128, 256]) {
    test(`heads of ${headDim}: Dawn compiles them in 16 KiB of workgroup memory`, async () => {
      for (const entry of entries) {
        const tile = attentionTile(entry, headDim, memory);
        expect(tileMemory(entry, headDim, tile)).toBeLessThanOrEqual(memory);
        const constants = tileConstants(headDim, tile);
        const { GROUP_X, GROUP_Y, ROWS, COLUMNS } = constants;
        expect([GROUP_Y * ROWS, GROUP_X * COLUMNS]).toEqual([tile.tile, tile.block]);
        const source = TILED_SOURCES[entry];
        const code = (halves: string[]) => assemble(storeHalves(source, halves), constants);
        expect(await tintErrors(code([]), entry, memory)).toEqual([]);
        const halves = halvable(source).map(({ name }) => name);
        expect(await tintErrors(code(halves), entry, memory)).toEqual([]);
      }
    });
  }

  test("are as large as that allows", () => {
    const sizes = [64, 128].flatMap((headDim) =>
      entries.map((entry) => Object.values(attentionTile(entry, headDim, memory)).join(" x ")),
    );
    expect(sizes).toEqual(["32 x 16", "16 x 16", "16 x 8", "16 x 8", "8 x 8", "8 x 4"]);
    const { tile, block } = attentionTile("forward", 64, memory);
    expect(tileMemory("forward", 64, { tile, block })).toBe(memory);
  });
});

import { describe, expect, test } from "bun:test";
import { makeOps } from "../../beyond/kernels/ops.ts";
import { attentionDifferences } from "../../beyond/oracle/attention-layouts.ts";
import { attention, splitAttention } from "../../beyond/oracle/cases/attention.ts";
import { hasHalves } from "../../beyond/storage/precision.ts";
import { KEY_CHUNK } from "../../lib/model/ops/heads.ts";
import { expectCase, testCases, testGpu } from "../kernels.ts";
import { packGroups } from "../oracle/packing.ts";

// The attention of software adapters: that of every query alone, and that of subgroups, which decodes with the
// former. Queries see more than one chunk of keys, and the order of their sums must not show what is beside them.
const gpu = await testGpu();
const hasSubgroups = gpu.device.features.has("subgroups");
const kernels = hasSubgroups ? (["plain", "subgroup"] as const) : (["plain"] as const);

const zeros = (length: number) => new Array<number>(length).fill(0);
const pack = (groups: Parameters<typeof packGroups>[0]) => {
  const { spans, lastQuery, tokens } = packGroups(groups);
  return { spans, lastQuery, rows: tokens.length };
};
const long = pack([
  // a prefix longer than a chunk, a completion that crosses into the next, and one within it
  { prompt: zeros(KEY_CHUNK + 9), completions: [zeros(KEY_CHUNK - 8), zeros(3)] },
  // own keys that cross chunks, prefix and own keys that fill one together
  { prompt: zeros(1), completions: [zeros(KEY_CHUNK + 1), zeros(KEY_CHUNK - 1), zeros(5)] },
]);
/** Tiles of several sequences. */
const short = pack([
  { prompt: zeros(11), completions: [1, 20, 7].map(zeros) },
  { prompt: zeros(1), completions: [3, 1, 2].map(zeros) },
  { prompt: zeros(2), completions: [] },
]);
const caches = {
  spans: Uint32Array.of(
    ...[0, 0, 300, 301, 0, KEY_CHUNK, 300, 300 + KEY_CHUNK, 0, KEY_CHUNK - 1, 300, 301],
    ...[5, 6, 100, 100 + KEY_CHUNK, 0, 299, 300, 437, 7, 140, 300, 301],
  ),
  rows: 437,
};
const one = { spans: Uint32Array.of(0, 0, 0, 1), lastQuery: Uint32Array.of(1), rows: 1 };

for (const kernel of kernels) {
  describe(`attention, ${kernel}`, () => {
    const variants = { attention: kernel, plainQueries: 0 } as const;
    for (const shape of [
      { heads: 3, kvHeads: 3, headDim: 16 },
      { heads: 6, kvHeads: 2, headDim: 16 },
    ]) {
      const ops = makeOps(gpu, shape.headDim, variants);
      testCases(`${shape.heads} heads on ${shape.kvHeads}`, gpu, ops, [
        ...attention({ ...long, ...shape }),
        ...attention({ ...short, ...shape }),
        ...attention({ ...short, ...shape }, { scale: 40 }),
        ...attention({ ...one, ...shape }),
        ...attention({ ...caches, ...shape }),
        ...attention({ ...caches, ...shape }, { isDecoding: true }),
        splitAttention({ ...caches, ...shape }),
        ...[1, 3, 100].flatMap((window) => attention({ ...long, ...shape, window })),
        ...attention({ ...caches, ...shape, window: 150 }, { isDecoding: true }),
        splitAttention({ ...caches, ...shape, window: 150 }),
      ]);
    }
    // Gemma's heads
    const gemma = { heads: 4, kvHeads: 1, headDim: 256, window: 5 };
    testCases("heads of 256, a window", gpu, makeOps(gpu, 256, variants), [
      ...attention({ ...short, ...gemma }),
    ]);
    // heads as Qwen2.5-0.5B shares them, and larger ones than registers hold at once
    const shared = { heads: 14, kvHeads: 2, headDim: 4 };
    testCases("14 heads on 2", gpu, makeOps(gpu, 4, variants), [
      ...attention({ ...short, ...shared }),
      splitAttention({ ...caches, ...shared }),
    ]);
    for (const headDim of kernel === "plain" ? [24, 64] : [24, 64, 128]) {
      const sliced = makeOps(gpu, headDim, { ...variants, subgroupElements: 1, subgroupSlice: 4 });
      testCases(`heads of ${headDim}, in slices`, gpu, sliced, [
        ...attention({ ...short, heads: 2, kvHeads: 1, headDim }),
        ...(headDim === 24 ? [splitAttention({ ...caches, heads: 2, kvHeads: 1, headDim })] : []),
      ]);
    }

    test.skipIf(!hasHalves(gpu))("activations in f16", async () => {
      const shape = { heads: 6, kvHeads: 2, headDim: 16 };
      const ops = makeOps(gpu, shape.headDim, variants);
      const cases = [
        ...attention({ ...short, ...shape }, { dtype: "f16" }),
        splitAttention({ ...caches, ...shape }, "f16"),
      ];
      for (const kernelCase of cases) await expectCase(gpu, ops, kernelCase);
    });
  });
}

test("a query has the same bits in learning, in decoding, split and alone", async () => {
  const same = { decoding: 0, split: 0, alone: 0 };
  const ops = kernels.map((attention) => makeOps(gpu, 16, { attention, plainQueries: 0 }));
  for (const learning of ops) {
    expect(await attentionDifferences(gpu, 16, learning)).toEqual(same);
    expect(await attentionDifferences(gpu, 16, ops[0], learning)).toEqual(same);
  }
});

test.skipIf(!hasSubgroups)("few queries have the same bits by either kernel", async () => {
  const [few, none] = [8192, 0].map((plainQueries) => {
    return makeOps(gpu, 16, { attention: "subgroup", plainQueries });
  });
  const same = { decoding: 0, split: 0, alone: 0 };
  expect(await attentionDifferences(gpu, 16, few, none)).toEqual(same);
  expect(await attentionDifferences(gpu, 16, none, few)).toEqual(same);
});

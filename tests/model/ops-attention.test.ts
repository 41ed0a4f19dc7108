import { describe, expect, test } from "bun:test";
import { allocateKeyChunks, type DecodingStep, KEY_CHUNK } from "../../lib/model/ops/attention.ts";
import { Ops } from "../../lib/model/ops.ts";
import { attention, splitAttention } from "../../lib/oracle/cases/attention.ts";
import { Random } from "../../lib/oracle/random.ts";
import { testCases, testGpu } from "../kernels.ts";
import { packGroups } from "../oracle/packing.ts";

// Queries that see more than one chunk of keys, the orders of whose sums must not depend on what is beside them.
const gpu = await testGpu();

const zeros = (length: number) => new Array<number>(length).fill(0);
const long = packGroups([
  // a prefix longer than a chunk, a completion that crosses into the next, and one within it
  {
    prompt: zeros(KEY_CHUNK + 9),
    completions: [zeros(KEY_CHUNK - 8), zeros(3), zeros(KEY_CHUNK + 5)],
  },
  // own keys that cross chunks, prefix and own keys that fill one together
  { prompt: zeros(1), completions: [zeros(2 * KEY_CHUNK + 1), zeros(KEY_CHUNK - 1), zeros(5)] },
]);
const packed = { spans: long.spans, lastQuery: long.lastQuery, rows: long.tokens.length };
const shapes = [
  { heads: 3, kvHeads: 3, headDim: 16 },
  { heads: 6, kvHeads: 2, headDim: 16 },
];

describe("queries of several chunks of keys", () => {
  const caches = {
    spans: Uint32Array.of(
      ...[0, 0, 300, 301, 0, KEY_CHUNK, 300, 300 + KEY_CHUNK, 0, KEY_CHUNK - 1, 300, 301],
      ...[5, 6, 100, 100 + KEY_CHUNK, 0, 299, 300, 437, 7, 140, 300, 301],
    ),
    rows: 437,
  };
  for (const shape of shapes) {
    const ops = new Ops(gpu, shape.headDim);
    const name = `${shape.heads} heads on ${shape.kvHeads}`;
    testCases(`${name}, packed`, gpu, ops, attention({ ...packed, ...shape }));
    testCases(`${name}, caches`, gpu, ops, [
      ...attention({ ...caches, ...shape }),
      splitAttention({ ...caches, ...shape }),
    ]);
  }
});

describe("a query's bits do not depend on", () => {
  for (const shape of shapes) {
    const { heads, kvHeads, headDim } = shape;
    const ops = new Ops(gpu, headDim);
    const random = new Random(31, heads);
    const T = packed.rows;
    const make = (name: string, length: number) => gpu.allocate("buffers", name, length);
    const filled = (name: string, length: number) => {
      const tensor = make(name, length);
      gpu.upload(tensor, Float32Array.from(random.normal(length)));
      return tensor;
    };
    const k = filled("k", T * kvHeads * headDim);
    const v = filled("v", T * kvHeads * headDim);
    const q = random.normal(T * heads * headDim);
    const keyChunks = allocateKeyChunks(gpu, shape, T, T);
    /** o and lse of these tokens, alone in this order. */
    const run = async (tokens: number[], step: DecodingStep = {}) => {
      const width = heads * headDim;
      const tensors = {
        spans: make("spans", tokens.length * 4),
        q: make("q", tokens.length * width),
        k,
        v,
        o: make("o", tokens.length * width),
        lse: make("lse", tokens.length * heads),
      };
      const spans = tokens.flatMap((t) => [...packed.spans.subarray(4 * t, 4 * t + 4)]);
      const queries = tokens.flatMap((t) => [...q.subarray(t * width, (t + 1) * width)]);
      gpu.upload(tensors.spans, Uint32Array.from(spans));
      gpu.upload(tensors.q, Float32Array.from(queries));
      ops.attention.forward(tensors, tokens.length, shape, step);
      const o = await gpu.read(tensors.o, new Uint32Array(tensors.o.length));
      const lse = await gpu.read(tensors.lse, new Uint32Array(tensors.lse.length));
      const [{ spans: s, q: qs }, { o: os, lse: ls }] = [tensors, tensors];
      for (const { buffer } of [s, qs, os, ls]) buffer.destroy();
      return tokens.map((_, i) => [
        ...o.subarray(i * width, (i + 1) * width),
        ...lse.subarray(i * heads, (i + 1) * heads),
      ]);
    };
    const everyone = Array.from({ length: T }, (_, t) => t);
    const name = `${heads} heads on ${kvHeads}`;
    test(`who else is asked, nor on whether keys are split, ${name}`, async () => {
      const learning = await run(everyone);
      expect(await run(everyone, { isDecoding: true, keyChunks })).toEqual(learning);
      // every row of a tile, a decoding step's rows in any order, one alone
      const some = everyone.filter((t) => t % 7 === 3 || t > T - 5).reverse();
      const expected = some.map((t) => learning[t]);
      expect(await run(some)).toEqual(expected);
      expect(await run(some, { isDecoding: true, keyChunks })).toEqual(expected);
      for (const t of [0, KEY_CHUNK, T - 1]) {
        expect(await run([t])).toEqual([learning[t]]);
        expect(await run([t], { isDecoding: true, keyChunks })).toEqual([learning[t]]);
      }
    });
  }
});

import { describe, expect, test } from "bun:test";
import { makeOps } from "../../beyond/kernels/ops.ts";
import { wholeVectors } from "../../beyond/oracle/cases/case.ts";
import { pick, sample } from "../../beyond/oracle/cases/vocabulary.ts";
import { Random } from "../../beyond/oracle/random.ts";
import { type DrawKey, keptTokens, sampleDraw, threefry2x32 } from "../../beyond/oracle/sample.ts";
import type { Tensor } from "../../lib/gpu/memory.ts";
import { logitsStride } from "../../lib/model/head.ts";
import type { SamplingOptions } from "../../lib/model/ops/sample.ts";
import type { Ops } from "../../lib/model/ops.ts";
import { expectCase, foldedOps, testGpu } from "../kernels.ts";

const gpu = await testGpu();
const plain: SamplingOptions = { temperature: 1, topK: 0, topP: 1, minP: 0 };
const keyOf = (row: number): DrawKey => ({
  seed: [7, 0],
  step: 3,
  slot: row % 5,
  sample: row >> 3,
  position: row,
});

/** Draws one token a row; logits are [rows, vocabulary]. */
async function draw(
  ops: Ops,
  logits: Float64Array,
  keys: readonly DrawKey[],
  options: SamplingOptions,
): Promise<Uint32Array> {
  const rows = keys.length;
  const make = (name: string, data: Float32Array | Uint32Array): Tensor => {
    const tensor = gpu.allocate("buffers", name, data.length);
    gpu.upload(tensor, data);
    return tensor;
  };
  const draws = keys.flatMap(({ seed, step, slot, sample, position }) => [
    ...threefry2x32(seed, [step, slot]),
    sample,
    position,
  ]);
  const tensors = {
    logits: make("logits", Float32Array.from(wholeVectors(logits, rows, 1e30))),
    draws: make("draws", Uint32Array.from(draws)),
    spans: make("spans", new Uint32Array(4 * rows)),
    token: make("token", new Uint32Array(rows).fill(0xffffffff)),
  };
  const vocabulary = logits.length / rows;
  const stride = logitsStride(vocabulary);
  ops.sample.forward(tensors, rows, vocabulary, stride, options);
  const tokens = await gpu.read(tensors.token, new Uint32Array(rows));
  for (const tensor of Object.values(tensors)) tensor.buffer.destroy();
  return tokens;
}

/** Copies of one row of logits. */
const repeated = (logits: Float64Array, rows: number) =>
  Float64Array.from({ length: rows * logits.length }, (_, i) => logits[i % logits.length]);

const settings: Record<string, Partial<SamplingOptions>> = {
  "all tokens": {},
  cold: { temperature: 0.3 },
  hot: { temperature: 2 },
  "top-k": { topK: 5 },
  "top-k of more than there are": { topK: 1000 },
  "top-k of one": { topK: 1 },
  "top-p": { topP: 0.8 },
  "top-p of nothing": { topP: 0 },
  "top-p of nearly all": { topP: 0.9999 },
  "min-p": { minP: 0.1 },
  "min-p of one": { minP: 1 },
  "all filters": { temperature: 0.8, topK: 20, topP: 0.9, minP: 0.02 },
  greedy: { temperature: 0 },
  "greedy whatever the filters": { temperature: 0, topK: 3, topP: 0.5, minP: 0.5 },
};

for (const lanes of [1, 64]) {
  describe(`rows shared by ${lanes}`, () => {
    const ops = makeOps(gpu, 16, { lanes });

    for (const [name, given] of Object.entries(settings)) {
      test(`${name}: the oracle's tokens`, async () => {
        const options = { ...plain, ...given };
        const random = new Random(12);
        for (const [rows, vocabulary] of [
          [1, 1],
          [5, 3],
          [67, 131],
          [3, 5001], // rows that more invocations share
        ]) {
          const keys = Array.from({ length: rows }, (_, row) => keyOf(row));
          const logits = random.normal(rows * vocabulary, 2);
          const tokens = await draw(ops, logits, keys, options);
          keys.forEach((key, row) => {
            const own = logits.subarray(row * vocabulary, (row + 1) * vocabulary);
            const { temperature } = options;
            // Greedy is a draw in which all the noise is alike.
            const scores = temperature > 0 ? sampleDraw(own, options, key).scores : own;
            const largest = scores.reduce((a, b) => Math.max(a, b));
            const gap = temperature > 0 ? 1e-5 : 0; // a race so close that f32 may call it either way
            expect(scores[tokens[row]]).toBeGreaterThanOrEqual(largest - gap);
          });
        }
      });
    }

    test("draws and spans move on, nothing else is written", async () => {
      const logits = new Random(13).normal(37 * 50);
      const keys = Array.from({ length: 37 }, (_, row) => keyOf(row));
      await expectCase(gpu, ops, sample(logits, keys, plain));
      await expectCase(gpu, foldedOps(gpu, 16, { lanes }), sample(logits, keys, plain));
    });

    test("greedy takes the larger of two neighbouring floats, the first of equals", async () => {
      const neighbour = 0.01 + 2 ** -30;
      const rows = [
        [0.01, neighbour, -0.1],
        [0.3, 0.3, 0.1],
        [-5, -5 + 2 ** -21, -5],
        [1e30, 0, -1e30],
        [-1e30, -2e30, -1e30],
      ].map((row) => row.map(Math.fround));
      const keys = rows.map((_, row) => keyOf(row));
      const tokens = await draw(ops, Float64Array.from(rows.flat()), keys, {
        ...plain,
        temperature: 0,
      });
      expect([...tokens]).toEqual([1, 0, 1, 0, 0]);
    });

    test("a draw depends on its key alone, not on its row or the batch", async () => {
      const logits = new Random(14).normal(300, 2);
      const key = keyOf(41);
      const others = Array.from({ length: 64 }, (_, row) => keyOf(row + 100));
      const at = async (row: number, rows: number) => {
        const keys = others.slice(0, rows).with(row, key);
        return (await draw(ops, repeated(logits, rows), keys, plain))[row];
      };
      const token = await at(0, 1);
      for (const [row, rows] of [
        [0, 64],
        [63, 64],
        [6, 7],
      ])
        expect(await at(row, rows)).toBe(token);
    });
  });
}

test("frequencies are those of the kept tokens' softmax", async () => {
  const ops = makeOps(gpu, 16);
  const rows = 4000;
  const logits = new Random(15).normal(8, 1.5);
  const keys = Array.from({ length: rows }, (_, i) => ({
    ...keyOf(0),
    sample: i,
    position: 9,
  }));
  const statistic = async (given: Partial<SamplingOptions>, temperature: number) => {
    const options = { ...plain, temperature, ...given };
    const counts = new Array<number>(8).fill(0);
    for (const token of await draw(ops, repeated(logits, rows), keys, options)) counts[token]++;
    const weights = logits.map((l) => Math.exp(l / temperature));
    const all = weights.reduce((a, b) => a + b);
    const kept = keptTokens(
      weights.map((w) => w / all),
      options,
    );
    const total = weights.reduce((sum, w, v) => (kept[v] ? sum + w : sum), 0);
    return counts.reduce((sum, count, v) => {
      if (!kept[v]) return count > 0 ? Infinity : sum;
      const expected = (rows * weights[v]) / total;
      return sum + (count - expected) ** 2 / expected;
    }, 0);
  };
  // Pearson's statistic with 7 degrees of freedom exceeds 24.3 once in a thousand seeds.
  expect(await statistic({}, 0.8)).toBeLessThan(24.3);
  expect(await statistic({ topK: 4 }, 1)).toBeLessThan(24.3);
  expect(await statistic({ topP: 0.7 }, 1.2)).toBeLessThan(24.3);
  // It can tell: a slightly different temperature fails.
  expect(await statistic({ temperature: 0.7 }, 0.8)).toBeGreaterThan(24.3);
});

test("pick brings the tokens of some rows together, and writes nothing else", async () => {
  const places = [70, 3, 3, 0, ...Array.from({ length: 63 }, (_, i) => 71 + i)];
  const tensor = (name: string, data: Uint32Array) => {
    const made = gpu.allocate("buffers", name, data.length);
    gpu.upload(made, data);
    return made;
  };
  for (const ops of [makeOps(gpu, 16), foldedOps(gpu, 16)]) {
    const tensors = {
      places: tensor("places", Uint32Array.from(places)),
      tokens: tensor(
        "tokens",
        Uint32Array.from({ length: 134 }, (_, i) => 0xffff0000 + i),
      ),
      picked: tensor("picked", new Uint32Array(places.length + 1).fill(9)),
    };
    ops.sample.pick(tensors, places.length);
    const picked = await gpu.read(tensors.picked, new Uint32Array(places.length + 1));
    expect([...picked]).toEqual([...places.map((place) => 0xffff0000 + place), 9]);
  }
});

test("tokens are picked from their places, for one row and for more than a workgroup", async () => {
  const ops = makeOps(gpu, 16);
  for (const rows of [1, 67, 200]) {
    const places = Uint32Array.from({ length: rows }, (_, i) => (i * 37) % 131);
    const tokens = Uint32Array.from({ length: 131 }, (_, i) => 1000 + i);
    await expectCase(gpu, ops, pick(places, tokens));
  }
});

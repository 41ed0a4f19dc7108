import { describe, expect, test } from "bun:test";
import { Random } from "../../beyond/oracle/random.ts";
import {
  type DrawKey,
  exponentialFromWord,
  keptTokens,
  noiseWord,
  sampleDraw,
  threefry2x32,
} from "../../beyond/oracle/sample.ts";

const key: DrawKey = { seed: [7, 0], step: 3, slot: 5, sample: 2, position: 11 };

test("threefry2x32 gives the known answers of Random123 (tests/kat_vectors, 20 rounds)", () => {
  expect(threefry2x32([0, 0], [0, 0])).toEqual([0x6b200159, 0x99ba4efe]);
  const ones = [0xffffffff, 0xffffffff] as const;
  expect(threefry2x32(ones, ones)).toEqual([0x1cb996fc, 0xbb002be7]);
  const counter = [0x243f6a88, 0x85a308d3] as const;
  expect(threefry2x32([0x13198a2e, 0x03707344], counter)).toEqual([0xc4923a9c, 0x483df7a0]);
});

test("every part of the key changes the noise", () => {
  const words = [
    noiseWord(key, 0),
    noiseWord(key, 1),
    noiseWord({ ...key, seed: [8, 0] }, 0),
    noiseWord({ ...key, seed: [7, 1] }, 0),
    noiseWord({ ...key, step: 4 }, 0),
    noiseWord({ ...key, slot: 6 }, 0),
    noiseWord({ ...key, sample: 3 }, 0),
    noiseWord({ ...key, position: 12 }, 0),
  ];
  expect(new Set(words).size).toBe(words.length);
});

test("the exponential is positive and finite at both ends, and its low nine bits do not matter", () => {
  expect(exponentialFromWord(0)).toBeCloseTo(24 * Math.log(2), 12);
  expect(exponentialFromWord(0xffffffff)).toBeCloseTo(2 ** -24, 14);
  expect(exponentialFromWord(0xffffffff)).toBeGreaterThan(0);
  expect(exponentialFromWord(0x12345600)).toBe(exponentialFromWord(0x123457ff));
});

describe("which tokens stay", () => {
  const p = Float64Array.of(0.1, 0.4, 0.2, 0.2, 0.06, 0.04);
  const kept = (settings: object) =>
    keptTokens(p, { temperature: 1, ...settings }).flatMap((stays, v) => (stays ? [v] : []));

  test("top-k keeps ties of the k-th", () => {
    expect(kept({ topK: 1 })).toEqual([1]);
    expect(kept({ topK: 2 })).toEqual([1, 2, 3]);
    expect(kept({ topK: 3 })).toEqual([1, 2, 3]);
    expect(kept({ topK: 99 })).toEqual([0, 1, 2, 3, 4, 5]);
    expect(kept({})).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test("top-p keeps the token that crosses the threshold, and its ties", () => {
    expect(kept({ topP: 0.39 })).toEqual([1]);
    expect(kept({ topP: 0.41 })).toEqual([1, 2, 3]);
    expect(kept({ topP: 0.79 })).toEqual([1, 2, 3]);
    expect(kept({ topP: 0.81 })).toEqual([0, 1, 2, 3]);
    expect(kept({ topP: 0 })).toEqual([1]);
  });

  test("top-p counts shares of what top-k left", () => {
    // Of 0.4 + 0.2 + 0.2 the first has half.
    expect(kept({ topK: 3, topP: 0.49 })).toEqual([1]);
    expect(kept({ topK: 3, topP: 0.51 })).toEqual([1, 2, 3]);
    expect(kept({ topP: 0.45 })).toEqual([1, 2, 3]);
    expect(kept({ topK: 3, topP: 0.45 })).toEqual([1]);
  });

  test("min-p is relative to the most probable token", () => {
    expect(kept({ minP: 0.24 })).toEqual([0, 1, 2, 3]);
    expect(kept({ minP: 0.26 })).toEqual([1, 2, 3]);
    expect(kept({ minP: 1 })).toEqual([1]);
  });
});

describe("draws", () => {
  const logits = new Random(9).normal(6, 1.5);
  const draws = 4000;
  const count = (settings: { temperature: number; topK?: number }) => {
    const counts = new Array<number>(6).fill(0);
    for (let position = 0; position < draws; position++) {
      counts[sampleDraw(logits, settings, { ...key, position }).token]++;
    }
    return counts;
  };
  /** Expected counts of softmax(logits / temperature) over the kept tokens. */
  const expected = (temperature: number, kept: boolean[]) => {
    const weights = Array.from(logits, (l, v) => (kept[v] ? Math.exp(l / temperature) : 0));
    const sum = weights.reduce((a, b) => a + b);
    return weights.map((w) => (draws * w) / sum);
  };
  /** Pearson's statistic; with 5 degrees of freedom it passes 20.5 once in a thousand seeds. */
  const chiSquare = (counts: number[], want: number[]) =>
    counts.reduce((sum, n, v) => sum + (want[v] ? (n - want[v]) ** 2 / want[v] : n * 1e9), 0);

  test("follow the softmax at the temperature", () => {
    const all = logits.length;
    const want = expected(0.8, new Array<boolean>(all).fill(true));
    expect(chiSquare(count({ temperature: 0.8 }), want)).toBeLessThan(20.5);
    // The statistic can tell: the same counts are not those of another temperature.
    expect(chiSquare(count({ temperature: 0.7 }), want)).toBeGreaterThan(20.5);
  });

  test("follow the renormalised softmax over the kept tokens, and never leave them", () => {
    const settings = { temperature: 1, topK: 3 };
    const { kept } = sampleDraw(logits, settings, key);
    expect(kept.filter(Boolean).length).toBe(3);
    expect(chiSquare(count(settings), expected(1, kept))).toBeLessThan(20.5);
  });

  test("report the log-probability of the full softmax at the temperature", () => {
    const one = Float64Array.of(0, 2 * Math.log(3));
    const draw = sampleDraw(one, { temperature: 2, topK: 1 }, key);
    expect(draw.token).toBe(1);
    expect(draw.logprob).toBeCloseTo(Math.log(0.75), 14);
    expect(draw.entropy).toBeCloseTo(-0.25 * Math.log(0.25) - 0.75 * Math.log(0.75), 14);
    expect(draw.scores[0]).toBe(Number.NEGATIVE_INFINITY);
  });
});

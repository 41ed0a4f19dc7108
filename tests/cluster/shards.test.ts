import { describe, expect, test } from "bun:test";
import { cutShards } from "../../beyond/cluster/shards.ts";
import { Random } from "../../lib/random.ts";

const items = (lengths: number[]) =>
  lengths.map((length, i) => ({
    i,
    completion: { tokens: new Array<number>(length).fill(0), logprobs: [], answerStart: 0 },
  }));

describe("shards", () => {
  test("hold every completion once, in order, in nearly equal numbers of tokens", () => {
    const random = new Random(3);
    for (let trial = 0; trial < 200; trial++) {
      const lengths = Array.from({ length: random.int(40) }, () => 1 + random.int(60));
      const shards = 1 + random.int(9);
      const cut = cutShards(items(lengths), shards);
      expect(cut.length).toBe(shards);
      expect(cut.flat().map(({ i }) => i)).toEqual(lengths.map((_, i) => i));
      const total = lengths.reduce((sum, length) => sum + length, 0);
      const longest = Math.max(0, ...lengths);
      for (const shard of cut) {
        const tokens = shard.reduce((sum, { completion }) => sum + completion.tokens.length, 0);
        expect(Math.abs(tokens - total / shards)).toBeLessThanOrEqual(longest);
      }
    }
  });

  test("are as they always were: a run that goes on must find the same", () => {
    const cut = cutShards(items([5, 1, 1, 1, 8, 2, 2]), 3);
    expect(cut.map((shard) => shard.map(({ i }) => i))).toEqual([
      [0, 1, 2],
      [3, 4],
      [5, 6],
    ]);
  });
});

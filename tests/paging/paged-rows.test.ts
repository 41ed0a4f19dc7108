import { expect, spyOn, test } from "bun:test";
import { PagedRows } from "../../beyond/paging/paged-rows.ts";
import type { PipelinedSampler } from "../../beyond/scheduling/pipelined-sampler.ts";
import { Recordings } from "../../beyond/scheduling/recording.ts";
import { EarlierCompletions } from "../../beyond/speculation/earlier-completions.ts";
import { Sampler } from "../../lib/model/generate.ts";
import { SamplerMemory } from "../../lib/model/sampler-memory.ts";
import { testGpu } from "../kernels.ts";
import {
  settings as few,
  goldenDecoder,
  pipelinedSampler,
  speculativeSampler,
} from "../model/requests.ts";
import { Given, oftenRight } from "../speculation/guessing.ts";

// Completions of up to three blocks, prompts of up to two, and memory for one completion or little more.
const gpu = await testGpu();
const { config, weights, decoder } = goldenDecoder(gpu);
const settings = { ...few, maxNewTokens: 36 };
const lengths = { maxPromptTokens: 21, maxNewTokens: 36 };
const LEAST = 2 + 3;

const prompts = [1, 21, 5, 17, 12].map((length) =>
  Array.from({ length }, (_, i) => 4 + ((7 * i + length) % 30)),
);
const requests = prompts.map((prompt, slot) => ({ prompt, samples: 3, slot }));
const plain = new Sampler(
  gpu,
  decoder,
  new SamplerMemory(gpu, config, { rows: 64, promptSlots: 16, ...lengths }),
);
const reference = await plain.generate(weights, requests, settings);

/** Does `work`, and counts the rows that came back after they had been put aside. */
async function rowsBack(work: () => Promise<void>): Promise<number> {
  const spied = spyOn(PagedRows.prototype, "takeBack");
  await work();
  const back = spied.mock.results.filter(({ value }) => value !== undefined).length;
  spied.mockRestore();
  return back;
}

const stateOf = (sampler: PipelinedSampler) =>
  (sampler as unknown as { state: PagedRows<never> }).state;

/** That all memory is free. */
const expectFree = (sampler: PipelinedSampler, blocks: number) => {
  const state = stateOf(sampler);
  expect([state.free, state.isBusy]).toEqual([blocks, false]);
};

for (const [rows, promptSlots, blocks, readEvery, ahead, isCrowded] of [
  [1, 1, LEAST, 3, 1, false],
  [7, 4, LEAST, 2, 2, true],
  [7, 4, 12, 1, 0, true],
  [64, 16, 20, 3, undefined, true],
  [64, 16, 300, 2, 1, false],
] as const) {
  test(`the same bits with ${rows} rows in ${blocks} blocks, a look every ${readEvery} steps`, async () => {
    const sizes = { rows, promptSlots, ...lengths, readEvery, cacheBlocks: blocks };
    const sampler = pipelinedSampler(gpu, decoder, sizes, ahead);
    const back = await rowsBack(async () => {
      expect(await sampler.generate(weights, requests, settings)).toEqual(reference);
    });
    expectFree(sampler, blocks);
    expect(back > 0).toBe(isCrowded);
  });
}

test("the same bits where guesses are checked, as far as there is memory for them", async () => {
  for (const [rows, promptSlots, passRows, blocks] of [
    [1, 1, 9, LEAST],
    [7, 4, 64, 9],
    [64, 16, 128, 20],
  ]) {
    const sizes = { rows, promptSlots, passRows, ...lengths, readEvery: 2, cacheBlocks: blocks };
    const past = rows === 1 ? [] : [new EarlierCompletions()];
    for (const guesses of [new Given(reference, oftenRight), ...past]) {
      const sampler = speculativeSampler(gpu, decoder, sizes, guesses);
      for (const _ of guesses instanceof Given ? "1" : "12") {
        expect(await sampler.generate(weights, requests, settings)).toEqual(reference);
      }
      expectFree(sampler, blocks);
    }
  }
});

test("the same bits where prompts are computed in parts, and make way for each other", async () => {
  const sizes = { rows: 3, promptSlots: 4, ...lengths, readEvery: 1, prefillTokens: 4 };
  const sampler = pipelinedSampler(gpu, decoder, { ...sizes, cacheBlocks: 7 }, 1);
  const back = await rowsBack(async () => {
    expect(await sampler.generate(weights, requests, settings)).toEqual(reference);
  });
  expect(back).toBeGreaterThan(0);
  expectFree(sampler, 7);
});

test("a row keeps its tokens while it is aside", async () => {
  const sizes = { rows: 7, promptSlots: 4, ...lengths, readEvery: 1, cacheBlocks: 12 };
  const sampler = pipelinedSampler(gpu, decoder, sizes, 0);
  const drawn = spyOn(decoder.ops.sample, "forward");
  const replayed = spyOn(Recordings.prototype, "replay").mockReturnValue(false);
  await sampler.generate(weights, requests, settings);
  const rows = drawn.mock.calls.reduce((sum, [, count]) => sum + count, 0);
  drawn.mockRestore();
  replayed.mockRestore();
  // looked at every step, no token is drawn twice
  expect(rows).toBe(reference.flat().reduce((sum, { tokens }) => sum + tokens.length, 0));
});

test("what is thrown in between leaves all memory free", async () => {
  const sizes = { rows: 7, promptSlots: 4, ...lengths, readEvery: 1, cacheBlocks: 9 };
  const sampler = pipelinedSampler(gpu, decoder, sizes, 1);
  let asked = 0;
  const isOver = () => {
    if (++asked === 120) throw new Error("the judge is out");
    return false;
  };
  const back = await rowsBack(async () => {
    const run = sampler.generate(weights, requests, { ...settings, isOver });
    await expect(run).rejects.toThrow("out");
  });
  expect(back).toBeGreaterThan(0);
  expectFree(sampler, 9);
  expect(await sampler.generate(weights, requests, settings)).toEqual(reference);
});

test("memory that does not hold one completion is refused", () => {
  const sizes = { rows: 7, promptSlots: 4, ...lengths, readEvery: 1, cacheBlocks: LEAST - 1 };
  expect(() => pipelinedSampler(gpu, decoder, sizes)).toThrow("does not hold one completion");
});

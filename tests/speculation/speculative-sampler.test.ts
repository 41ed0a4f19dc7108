import { expect, test } from "bun:test";
import { EarlierCompletions } from "../../beyond/speculation/earlier-completions.ts";
import type { Completion } from "../../lib/model/completion.ts";
import { Sampler } from "../../lib/model/generate.ts";
import { SamplerMemory } from "../../lib/model/sampler-memory.ts";
import { testGpu } from "../kernels.ts";
import {
  goldenDecoder,
  requests as many,
  settings,
  speculativeSampler,
} from "../model/requests.ts";
import { Given, oftenRight, other } from "./guessing.ts";

const gpu = await testGpu();
const { config, weights, decoder } = goldenDecoder(gpu);

const requests = many.map((request) => ({ ...request, samples: 4 }));
const lengths = { maxPromptTokens: 7, maxNewTokens: 12 };
const plain = new Sampler(
  gpu,
  decoder,
  new SamplerMemory(gpu, config, { rows: 64, promptSlots: 16, ...lengths }),
);
const reference = await plain.generate(weights, requests, settings);

/** Few are enough for a row alone. */
const few = (rows: number) =>
  rows === 1 ? requests.slice(1, 4).map((request) => ({ ...request, samples: 2 })) : requests;
/** What is expected of those. */
const of = (rows: number, expected: readonly Completion[][]) =>
  few(rows).map(({ slot, samples }) => expected[slot].slice(0, samples));

const BATCHES = [
  [1, 1, 9],
  [7, 2, 64],
  [64, 16, 128],
] as const;

const SAID: [string, ConstructorParameters<typeof Given>[1]][] = [
  ["always right", (next, _, most) => next.slice(0, most)],
  ["always wrong", (next, _, most) => next.slice(0, most).map(other)],
  ["right as often as not", oftenRight],
  ["longer than a completion can be", (next) => [...next, ...new Array<number>(40).fill(5)]],
  ["ending early, or nothing", (next, { sample }) => next.slice(0, sample % 3)],
  ["no tokens at all", (_, { sample }, most) => new Array<number>(most).fill(1e9 + sample)],
];

test.each(SAID)("the same bits where guesses are %s", async (_, say) => {
  for (const [rows, promptSlots, passRows] of BATCHES) {
    const sizes = { rows, promptSlots, passRows, ...lengths, readEvery: 1 };
    const guesses = new Given(reference, say);
    const sampler = speculativeSampler(gpu, decoder, sizes, guesses);
    expect(await sampler.generate(weights, few(rows), settings)).toEqual(of(rows, reference));
    // A second call reuses every place the first one took.
    expect(await sampler.generate(weights, few(rows), settings)).toEqual(of(rows, reference));
  }
});

const tokensOf = (completions: Completion[][]) =>
  completions.flat().reduce((sum, { tokens }) => sum + tokens.length, 0);

test("a right guess saves the passes of its tokens, and a wrong one costs none", async () => {
  const sizes = { rows: 7, promptSlots: 2, passRows: 84, ...lengths, readEvery: 1 };
  const [right, none] = [SAID[0][1], SAID[1][1]].map((say) => new Given(reference, say));
  const all = speculativeSampler(gpu, decoder, sizes, right);
  await all.generate(weights, requests, settings);
  const tokens = tokensOf(reference);
  // one pass for the prompt, which gives the first token, and one for all others
  const longer = reference.flat().filter(({ tokens }) => tokens.length > 1);
  expect(all.tally.tokens).toBe(tokens);
  expect(all.tally.passes).toBe(reference.flat().length + longer.length);
  expect(all.tally.right).toBe(all.tally.checked);
  const bad = speculativeSampler(gpu, decoder, sizes, none);
  await bad.generate(weights, requests, settings);
  expect(bad.tally).toMatchObject({ tokens, passes: tokens, right: 0 });
  expect([none.right, none.tried > 0, right.tried === right.right]).toEqual([0, true, true]);
});

test.each([
  [
    "a stop text",
    {
      isOver: (tokens: readonly number[]) =>
        tokens.slice(-2).join() === "5,5" || tokens.length === 9,
    },
  ],
  ["top-p, top-k and min-p", { topP: 0.8, topK: 9, minP: 0.02 }],
  ["no randomness", { temperature: 0 }],
  ["a single token each", { maxNewTokens: 1 }],
  ["another temperature, no end token", { temperature: 1.5, stopIds: new Set<number>() }],
])("the same bits with %s", async (_, given) => {
  const asked = { ...settings, ...given };
  const expected = await plain.generate(weights, requests, asked);
  const sizes = { rows: 7, promptSlots: 2, passRows: 64, ...lengths, readEvery: 2 };
  const sampler = speculativeSampler(gpu, decoder, sizes, new Given(expected, oftenRight));
  expect(await sampler.generate(weights, requests, asked)).toEqual(expected);
  const past = speculativeSampler(gpu, decoder, sizes, new EarlierCompletions());
  await past.generate(weights, requests, { ...asked, step: 4 });
  expect(await past.generate(weights, requests, asked)).toEqual(expected);
});

test("the same bits where some turns check and others decode, ahead of the host or not", async () => {
  for (const [rows, promptSlots, passRows] of BATCHES.slice(1)) {
    for (const [readEvery, ahead] of [
      [1, 1],
      [3, 2],
      [1, undefined],
    ]) {
      const sizes = { rows, promptSlots, passRows, ...lengths, readEvery: readEvery ?? 1 };
      let turn = 0;
      const sometimes = {
        choose: (_: number, chances: readonly number[]) => (++turn % 3 === 0 ? chances.length : 0),
        mayPay: () => true,
        noteStep: () => {},
        noteCheck: () => {},
      };
      const guesses = new Given(reference, SAID[2][1]);
      const sampler = speculativeSampler(gpu, decoder, sizes, guesses, sometimes, ahead);
      expect(await sampler.generate(weights, few(rows), settings)).toEqual(of(rows, reference));
    }
  }
});

test("the same bits where long caches are split for few tokens, and not for many", async () => {
  const long = { maxPromptTokens: 150, maxNewTokens: 150 };
  const sizes = { rows: 5, promptSlots: 2, passRows: 60, ...long, readEvery: 1 };
  const splitting = goldenDecoder(gpu, { splitQueries: 30 * config.numHeads });
  const guesses = new Given(reference, oftenRight);
  const sampler = speculativeSampler(gpu, splitting.decoder, sizes, guesses);
  expect(await sampler.generate(weights, requests, settings)).toEqual(reference);
});

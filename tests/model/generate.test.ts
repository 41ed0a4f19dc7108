import { afterAll, expect, spyOn, test } from "bun:test";
import { SystemGpu } from "../../beyond/platform/gpu.ts";
import type { Completion } from "../../lib/model/completion.ts";
import { Sampler } from "../../lib/model/generate.ts";
import { PackedBatch } from "../../lib/model/packing.ts";
import { SamplerMemory } from "../../lib/model/sampler-memory.ts";
import { threefry2x32 } from "../../lib/model/threefry.ts";
import { TrainingMemory, TrainingPass } from "../../lib/model/training-pass.ts";
import { goldenDecoder, pipelinedSampler, prompts, requests, settings } from "./requests.ts";

const gpu = await SystemGpu.open();
afterAll(() => gpu.destroy());

const { config, weights, decoder } = goldenDecoder(gpu);

const lengths = { maxPromptTokens: 7, maxNewTokens: 12 };

function plainSampler(rows: number, promptSlots: number): Sampler {
  return new Sampler(
    gpu,
    decoder,
    new SamplerMemory(gpu, config, { rows, promptSlots, ...lengths }),
  );
}

function sampler(rows: number, promptSlots: number, readEvery: number, ahead?: number): Sampler {
  return pipelinedSampler(gpu, decoder, { rows, promptSlots, ...lengths, readEvery }, ahead);
}

const reference: Completion[][] = await plainSampler(64, 16).generate(weights, requests, settings);

for (const [rows, promptSlots] of [
  [1, 1],
  [7, 2],
]) {
  test(`the same bits with ${rows} rows, ${promptSlots} prompts`, async () => {
    const again = plainSampler(rows, promptSlots);
    expect(await again.generate(weights, requests, settings)).toEqual(reference);
    // A second call reuses every place the first one took.
    expect(await again.generate(weights, requests, settings)).toEqual(reference);
  });
}

for (const [rows, promptSlots, readEvery, ahead] of [
  [1, 1, 1, 0],
  [1, 1, 1, 2],
  [7, 2, 3, 1],
  [7, 2, 1, 3],
  [64, 16, 8, 0],
  [64, 16, 1, 1],
]) {
  const schedule = `a look every ${readEvery} steps, ${ahead} turns ahead`;
  test(`the same bits with ${rows} rows, ${promptSlots} prompts, ${schedule}`, async () => {
    const again = sampler(rows, promptSlots, readEvery, ahead);
    expect(await again.generate(weights, requests, settings)).toEqual(reference);
    // A second call reuses every place the first one took.
    expect(await again.generate(weights, requests, settings)).toEqual(reference);
  });
}

test("what is still under way when a call ends does no harm to the next, whatever it asks for", async () => {
  const one = sampler(7, 2, 1, 2);
  const hot = { ...settings, temperature: 3, maxNewTokens: 4 };
  const expected = await plainSampler(64, 16).generate(weights, requests, hot);
  for (let i = 0; i < 2; i++) {
    expect(await one.generate(weights, requests, settings)).toEqual(reference);
    expect(await one.generate(weights, requests, hot)).toEqual(expected);
  }
});

test("a completion ends where the caller says, and is decoded for the turns ahead at most", async () => {
  const isOver = (tokens: readonly number[]) => tokens.length >= 2 && tokens[0] % 2 === 0;
  const cut = (completion: Completion): Completion => {
    const length =
      completion.tokens.findIndex((_, i, tokens) => isOver(tokens.slice(0, i + 1))) + 1;
    if (length === 0) return completion;
    const { tokens, logprobs, entropies } = completion;
    return {
      tokens: tokens.slice(0, length),
      logprobs: logprobs.slice(0, length),
      entropies: entropies.slice(0, length),
      finished: true,
    };
  };
  const expected = reference.map((group) => group.map(cut));
  expect(expected).not.toEqual(reference);
  const all = expected.flat();
  const tokens = all.reduce((sum, completion) => sum + completion.tokens.length, 0);
  const dropped = all.reduce((sum, { tokens }) => sum + Number(tokens.length < 12), 0);
  for (const ahead of [0, 1]) {
    const one = sampler(7, 2, 1, ahead);
    // Not by what is recorded: replayed steps draw as well.
    const read = spyOn(gpu.commands, "read");
    expect(await one.generate(weights, requests, { ...settings, isOver })).toEqual(expected);
    const drawn = read.mock.calls.reduce((sum, [, [tokens]]) => sum + tokens.length, 0);
    read.mockRestore();
    expect(drawn).toBeGreaterThanOrEqual(tokens);
    expect(drawn).toBeLessThanOrEqual(tokens + dropped * (ahead + 1));
  }
});

test("after a judge that throws, or a prompt that is too long, the sampler is as it was", async () => {
  for (const one of [plainSampler(7, 2), sampler(7, 2, 1, 1)]) {
    let asked = 0;
    const isOver = () => {
      if (++asked === 20) throw new Error("the judge is out");
      return asked % 3 === 0;
    };
    await expect(one.generate(weights, requests, { ...settings, isOver })).rejects.toThrow("out");
    const tooLong = { ...requests[0], prompt: new Array<number>(8).fill(1) };
    await expect(one.generate(weights, [requests[1], tooLong], settings)).rejects.toThrow(
      "longer than",
    );
    expect(await one.generate(weights, requests, settings)).toEqual(reference);
  }
});

test("completions of one token", async () => {
  const short = { ...settings, maxNewTokens: 1 };
  const expected = await plainSampler(64, 16).generate(weights, requests, short);
  const first = (completion: Completion) => completion.tokens.slice(0, 1);
  expect(expected.map((group) => group.map(first))).toEqual(
    reference.map((group) => group.map(first)),
  );
  expect(await sampler(7, 2, 2, 1).generate(weights, requests, short)).toEqual(expected);
});

test("the same bits where long caches are split", async () => {
  const sizes = { rows: 7, promptSlots: 2, maxPromptTokens: 150, maxNewTokens: 150, readEvery: 2 };
  const memory = new SamplerMemory(gpu, config, sizes);
  expect(memory.keyChunks?.chunks).toBe(3);
  for (const split of [new Sampler(gpu, decoder, memory), pipelinedSampler(gpu, decoder, sizes)]) {
    expect(await split.generate(weights, requests, settings)).toEqual(reference);
  }
});

test("the same bits where prompts are computed in parts, and rows go on in between", async () => {
  const sizes = { rows: 2, promptSlots: 2, ...lengths, prefillTokens: 2, readEvery: 1 };
  const memory = new SamplerMemory(gpu, config, sizes);
  expect(memory.maxTokens).toBe(4);
  const plain = new Sampler(gpu, decoder, memory);
  const few = requests.map((request) => ({ ...request, samples: 3 }));
  const expected = reference.map((group) => group.slice(0, 3));
  for (const parted of [plain, pipelinedSampler(gpu, decoder, sizes, 1)]) {
    expect(await parted.generate(weights, few, settings)).toEqual(expected);
  }
  const forward = spyOn(decoder, "forward");
  const two = [0, 4].map((i) => ({ prompt: prompts[i], samples: 1, slot: i }));
  await plain.generate(weights, two, { ...settings, stopIds: new Set() });
  const tokens = forward.mock.calls.map(([, , count]) => count);
  forward.mockRestore();
  expect(tokens.slice(0, 9)).toEqual([1, 2, 1, 2, 1, 2, 1, 1, 2]);
});

test("no step is decoded while more completions may enter", async () => {
  const one = sampler(8, 8, 1); // has room for one prompt at a time beside its rows
  const long = prompts[4].map((_, slot) => ({ prompt: prompts[4], samples: 1, slot }));
  const drawn = spyOn(decoder.ops.sample, "forward");
  await one.generate(weights, long, { ...settings, stopIds: new Set() });
  const rows = drawn.mock.calls.map(([, count]) => count);
  drawn.mockRestore();
  expect(rows.slice(0, 7)).toEqual([1, 1, 1, 1, 1, 1, 1]);
  expect(new Set(rows.slice(7))).toEqual(new Set([7]));
});

test("completions end at a stop token or at the limit, and differ", () => {
  const all = reference.flat();
  for (const { tokens, finished, logprobs, entropies } of all) {
    expect(tokens.indexOf(3)).toBe(finished ? tokens.length - 1 : -1);
    expect(finished || tokens.length === 12).toBe(true);
    expect([logprobs.length, entropies.length]).toEqual([tokens.length, tokens.length]);
  }
  expect(new Set(all.map(({ tokens }) => tokens.join())).size).toBeGreaterThan(all.length / 2);
  expect(all.some(({ finished }) => finished)).toBe(true);
});

test("another seed, step, slot or sample number gives other completions", async () => {
  const one = sampler(64, 16, 1);
  const tokens = (results: Completion[][]) =>
    results.map((group) => group.map((c) => c.tokens.join()));
  const before = tokens(reference);
  const seeded = await one.generate(weights, requests, { ...settings, seed: [1, 3] });
  const stepped = await one.generate(weights, requests, { ...settings, step: 6 });
  const slots = requests.map((request) => ({ ...request, slot: request.slot + 100 }));
  const slotted = await one.generate(weights, slots, settings);
  for (const other of [seeded, stepped, slotted]) expect(tokens(other)).not.toEqual(before);
});

test("steps recorded for one way of drawing, or one set of weights, are not replayed for another", async () => {
  const one = sampler(64, 16, 2);
  const hot = { ...settings, temperature: 3 };
  const other = { ...weights, finalNorm: weights.layers[0].inputNorm };
  expect(await one.generate(weights, requests, settings)).toEqual(reference);
  for (const [w, s] of [
    [weights, hot],
    [other, settings],
  ] as const) {
    const expected = await plainSampler(64, 16).generate(w, requests, s);
    expect(expected).not.toEqual(reference);
    expect(await one.generate(w, requests, s)).toEqual(expected);
  }
  expect(await one.generate(weights, requests, settings)).toEqual(reference);
});

test("greedy decoding takes the likeliest token whatever the seed", async () => {
  const greedy = { ...settings, temperature: 0 };
  const one = await sampler(8, 4, 2).generate(weights, requests, greedy);
  const two = await sampler(8, 4, 2).generate(weights, requests, { ...greedy, seed: [9, 9] });
  expect(one).toEqual(two);
  for (const group of one) for (const { tokens } of group) expect(tokens).toEqual(group[0].tokens);
});

test("log-probabilities recorded while sampling are those recomputed while learning", async () => {
  const trainingPass = new TrainingPass(gpu, decoder, new TrainingMemory(gpu, config, 1024));
  const batch = new PackedBatch(1024);
  for (const [i, prompt] of prompts.entries()) {
    batch.add(
      prompt,
      reference[i].map((completion) => completion.tokens),
    );
  }
  const logprobs = new Float32Array(batch.predictions);
  const entropies = new Float32Array(batch.predictions);
  await trainingPass.logprobs(weights, batch, settings.temperature, logprobs, entropies);
  const recorded = reference.flat().flatMap((completion) => completion.logprobs);
  const recordedEntropies = reference.flat().flatMap((completion) => completion.entropies);
  expect(recorded.length).toBe(batch.predictions);
  for (let m = 0; m < recorded.length; m++) {
    const tolerance = 1e-5 * Math.max(1, Math.abs(recorded[m]));
    expect(Math.abs(logprobs[m] - recorded[m])).toBeLessThan(tolerance);
    expect(Math.abs(entropies[m] - recordedEntropies[m])).toBeLessThan(
      1e-5 * Math.max(1, entropies[m]),
    );
    expect(Math.abs(Math.exp(logprobs[m] - recorded[m]) - 1)).toBeLessThan(tolerance);
  }
});

test("Threefry-2x32-20 gives Random123's known answers", () => {
  expect(threefry2x32([0, 0], [0, 0])).toEqual([0x6b200159, 0x99ba4efe]);
  expect(threefry2x32([-1, -1], [-1, -1])).toEqual([0x1cb996fc, 0xbb002be7]);
  expect(threefry2x32([0x13198a2e, 0x03707344], [0x243f6a88, 0x85a308d3])).toEqual([
    0xc4923a9c, 0x483df7a0,
  ]);
});

test("what a prompt shares with the one before it is not computed again", async () => {
  const one = (prompt: number[], known?: number) => [{ prompt, samples: 1, slot: 0, known }];
  const [first, longer] = [
    [7, 8, 9],
    [7, 8, 9, 10, 11],
  ];
  const counted = spyOn(decoder, "forward");
  for (const make of [() => plainSampler(1, 2), () => sampler(1, 2, 2)]) {
    const expected = await make().generate(weights, one(longer), settings);
    const goesOn = make();
    await goesOn.generate(weights, one(first), settings);
    counted.mockClear();
    expect(await goesOn.generate(weights, one(longer, 3), settings)).toEqual(expected);
    expect(counted.mock.calls[0][2]).toBe(2);
  }
  counted.mockRestore();
});

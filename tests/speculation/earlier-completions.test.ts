import { expect, test } from "bun:test";
import { sampleDraw } from "../../beyond/oracle/sample.ts";
import { EarlierCompletions } from "../../beyond/speculation/earlier-completions.ts";
import type { GenerationSettings } from "../../lib/model/completion.ts";
import type { Row, Waiting } from "../../lib/model/row-state.ts";
import { threefry2x32 } from "../../lib/model/threefry.ts";

const VOCABULARY = 12;
const END = 0;
const seed = [1, 2] as const;
const asked: GenerationSettings = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  maxNewTokens: 24,
  stopIds: new Set([END]),
  seed,
  step: 0,
};
const PROMPTS = [
  [3, 4, 5],
  [3, 4, 6],
  [7, 8, 9, 10],
];

/** A policy without a GPU: what comes next depends on the question and on the last two tokens, and moves with training. */
function logitsAfter(prompt: readonly number[], tokens: readonly number[], moved: number) {
  const [a, b] = [...prompt, ...tokens].slice(-2);
  const context = threefry2x32([prompt.length + prompt[2], 5], [a, b]);
  return Float64Array.from({ length: VOCABULARY }, (_, v) => {
    const [word, other] = threefry2x32(context, [v, 0]);
    const end = v === END ? 7 * tokens.length - 60 : 0;
    return 60 * (word / 2 ** 32) + 12 * moved * (other / 2 ** 32) + end;
  });
}

/** Completes each prompt `samples` times, checking all that `guesses` says. */
function sampled(
  guesses: EarlierCompletions,
  settings: GenerationSettings,
  moved = 0,
  samples = 8,
) {
  const live = PROMPTS.flatMap((prompt, slot) =>
    Array.from({ length: samples }, (_, sample): Row => {
      const request = { prompt, samples, slot };
      const completion = { tokens: [], logprobs: [], entropies: [], finished: false };
      const key = threefry2x32(seed, [settings.step, slot]);
      const cached = { request, slot, readers: samples, computed: 0 };
      return { prompt: cached, completion, sample, key, cacheRow: 0, drawn: 0 };
    }),
  );
  const waiting = live.map(({ prompt: { request }, sample, completion }): Waiting => {
    return { request, sample, completion, group: {} };
  });
  guesses.begin(waiting, settings);
  const tally = { tokens: 0, passes: live.length, checked: 0, right: 0 };
  const draw = ({ prompt: { request }, sample, completion }: Row) => {
    const { tokens } = completion;
    const { slot } = request;
    const logits = logitsAfter(request.prompt as number[], tokens, moved);
    const key = { seed, step: settings.step, slot, sample, position: tokens.length };
    const { token, logprob } = sampleDraw(logits, settings, key);
    tokens.push(token);
    completion.logprobs.push(logprob);
    tally.tokens++;
    return token;
  };
  const goesOn = ({ completion: { tokens } }: Row) =>
    tokens.length < settings.maxNewTokens && !settings.stopIds.has(tokens[tokens.length - 1]);
  live.forEach(draw);
  let rows = live.filter(goesOn);
  while (rows.length > 0) {
    const said = guesses.guess(rows, ({ completion: { tokens } }) => 23 - tokens.length);
    for (const [i, row] of rows.entries()) {
      const { tokens } = said[i];
      expect(tokens.includes(END)).toBe(false);
      expect(tokens.length).toBeLessThanOrEqual(23 - row.completion.tokens.length);
      let right = 0;
      while (draw(row) === tokens[right] && right < tokens.length && goesOn(row)) right++;
      guesses.learn(said[i], Math.min(tokens.length, right + 1), right);
      tally.passes++;
      tally.checked += tokens.length;
      tally.right += right;
    }
    rows = rows.filter(goesOn);
  }
  guesses.end();
  return tally;
}

/** A completion that has these tokens. */
function rowOf(prompt: readonly number[], tokens: readonly number[]): Row {
  const logprobs = tokens.map(() => -0.1);
  const completion = { tokens: [...tokens], logprobs, entropies: [], finished: false };
  const cached = { request: { prompt, samples: 1, slot: 0 }, slot: 0, readers: 1, computed: 0 };
  const { length } = tokens;
  return { prompt: cached, completion, sample: 0, key: [1, 2], cacheRow: 0, drawn: length };
}

test("from the second epoch on at most half of the passes, though the policy moves", () => {
  const guesses = new EarlierCompletions();
  for (let epoch = 0; epoch < 3; epoch++) {
    const { tokens, passes, checked, right } = sampled(
      guesses,
      { ...asked, step: epoch },
      epoch / 4,
    );
    expect(tokens).toBeGreaterThan(200);
    if (epoch === 0) continue;
    expect(passes / tokens).toBeLessThan(0.5);
    expect(right / checked).toBeGreaterThan(0.3);
  }
});

test("a place in the prompt, or in what was said, tells what comes after the same tokens", () => {
  const guesses = new EarlierCompletions();
  const prompt = [1, 2, 3, 4, 5, 6, 7, 8];
  const row = rowOf(prompt, [9, 2, 3, 4]);
  const { completion } = row;
  guesses.begin([], asked);
  expect(guesses.guess([row], () => 3)[0].tokens).toEqual([5, 6, 7]);
  completion.tokens.push(10, 11, 2, 3, 4);
  completion.logprobs.push(-1, -1, -1, -1, -1);
  // the newest place where 2, 3, 4 went on
  expect(guesses.guess([row], () => 2)[0].tokens).toEqual([10, 11]);
  guesses.end();
});

/** Each of these prompts was answered so, in a step that is over. */
function hear(guesses: EarlierCompletions, prompts: number[][], tokens: number[]): void {
  const logprobs = tokens.map(() => -0.1);
  const waiting = prompts.map((prompt, slot): Waiting => {
    const completion = { tokens, logprobs, entropies: [], finished: true };
    return { request: { prompt, samples: 1, slot }, sample: 0, completion, group: {} };
  });
  guesses.begin(waiting, asked);
  guesses.end();
}

test("what fails is trusted less, and its guesses become shorter", () => {
  const guesses = new EarlierCompletions();
  const row = rowOf([1, 1, 1], [2]);
  const tokens = [2, 3, 4, 5, 6, 7, 8];
  hear(guesses, [[1, 1, 1]], tokens);
  guesses.begin([], asked);
  const before = guesses.guess([row], () => 9)[0];
  expect(before.tokens).toEqual([3, 4, 5, 6, 7, 8]);
  for (let i = 0; i < 20; i++) guesses.learn(guesses.guess([row], () => 9)[0], 1, 0);
  const after = guesses.guess([row], () => 9)[0];
  expect(after.tokens.length).toBeLessThan(3);
  expect(after.chances[0]).toBeLessThan(before.chances[0] / 2);
  for (let i = 0; i < 50; i++) guesses.learn(before, 6, 6);
  expect(guesses.guess([row], () => 9)[0].tokens).toEqual(before.tokens);
});

test("it remembers so many tokens and no more: of the questions asked last", () => {
  const guesses = new EarlierCompletions(600);
  const all = Array.from({ length: 100 }, (_, question) => [1, 1, question]);
  hear(guesses, all, [2, 3, 4, 5, 6, 7, 8]);
  expect(guesses.size).toBeGreaterThan(600);
  guesses.begin([], asked);
  expect(guesses.size).toBeLessThanOrEqual(301);
  const next = (question: number) =>
    guesses.guess([rowOf([1, 1, question], [2])], () => 3)[0].tokens;
  expect(next(99)).toEqual([3, 4, 5]);
  expect(next(3)).toEqual([]);
});

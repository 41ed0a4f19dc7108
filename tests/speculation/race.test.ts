import { expect, test } from "bun:test";
import { sampleDraw } from "../../beyond/oracle/sample.ts";
import { foresee } from "../../beyond/speculation/race.ts";
import { threefry2x32 } from "../../lib/model/threefry.ts";

const VOCABULARY = 9;
const seed = [7, 8] as const;
const logits = Float64Array.from({ length: VOCABULARY }, (_, v) => 1.5 * Math.sin(3 * v));
const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
const candidates = Array.from(logits, (logit, token) => ({
  token,
  probability: Math.exp(logit) / total,
}));

/** The draws of many completions, and what is foreseen of each from the candidates that `knows` keeps. */
function foreseen(knows: (token: number) => boolean, temperature = 1) {
  const known = candidates.filter(({ token }) => knows(token));
  return Array.from({ length: 4000 }, (_, i) => {
    const [slot, sample, position] = [i % 7, i % 11, i % 13];
    const step = i;
    const key = threefry2x32(seed, [step, slot]);
    const settings = { temperature };
    const { token } = sampleDraw(logits, settings, { seed, step, slot, sample, position });
    const draw = { key, sample, position, greedy: temperature === 0 };
    return { drawn: token, ...foresee(known, draw) };
  });
}

test("with every token's probability the draw itself is foreseen", () => {
  const all = foreseen(() => true);
  expect(all.filter(({ drawn, token }) => drawn !== token)).toEqual([]);
  expect(new Set(all.map(({ drawn }) => drawn)).size).toBe(VOCABULARY);
});

test("with the likeliest few, the draw is foreseen as often as is said, and oftener than they come", () => {
  const shareOf = (tokens: (token: number) => boolean) =>
    candidates.reduce((sum, { token, probability }) => sum + (tokens(token) ? probability : 0), 0);
  const likely = ({ probability }: { probability: number }) => probability > 0.12;
  const knows = (token: number) => likely(candidates[token]);
  const seen = shareOf(knows);
  expect(seen).toBeGreaterThan(0.5);
  expect(seen).toBeLessThan(0.85);
  const all = foreseen(knows);
  const right = all.filter(({ drawn, token }) => drawn === token).length / all.length;
  const said = all.reduce((sum, { chance }) => sum + chance, 0) / all.length;
  const likeliest = Math.max(...candidates.map(({ probability }) => probability));
  expect(right).toBeGreaterThan(seen - 0.03);
  expect(right).toBeGreaterThan(1.5 * likeliest);
  expect(Math.abs(said - right)).toBeLessThan(0.15);
  // and what it is surer of comes oftener
  const [sure, unsure] = [
    all.filter(({ chance }) => chance > 0.8),
    all.filter(({ chance }) => chance < 0.4),
  ].map((some) => some.filter(({ drawn, token }) => drawn === token).length / some.length);
  expect(sure).toBeGreaterThan(0.8);
  expect(unsure).toBeLessThan(0.6);
});

test("where nothing is random, the likeliest", () => {
  const [first, second] = [...candidates].sort((a, b) => b.probability - a.probability);
  const greedy = { key: [1, 2] as const, sample: 0, position: 0, greedy: true };
  expect(foresee([second, first], greedy).token).toBe(first.token);
  expect(foresee([{ token: 4, probability: 0.3 }], greedy).chance).toBe(0);
  expect(foresee([{ token: 4, probability: 0.6 }], greedy).chance).toBe(1);
});

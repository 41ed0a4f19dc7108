import { expect, test } from "bun:test";
import { MostTokensASecond } from "../../beyond/speculation/pass-times.ts";

/** One that has seen passes of all sizes, of a fixed cost and one a token. */
function seen(fixed: number, each: number, most?: number): MostTokensASecond {
  const choice = new MostTokensASecond(128, most);
  for (let time = 0; time < 2; time++) {
    for (let tokens = 1; tokens <= 128; tokens++) {
      choice.noteStep(tokens, fixed + each * tokens);
      choice.noteCheck(tokens, fixed + each * tokens);
    }
  }
  return choice;
}
const falling = (share: number, length = 120) =>
  Array.from({ length }, (_, i) => share ** Math.ceil((i + 1) / 8));

test("where tokens cost nothing beside the pass, all that may be right is checked", () => {
  expect(seen(1, 0).choose(8, falling(0.9))).toBe(120);
});

test("where a pass costs nothing beside its tokens, nothing is", () => {
  expect(seen(0, 1).choose(8, falling(0.9))).toBe(0);
  expect(seen(0, 1).choose(64, falling(0.99))).toBe(0);
  expect(seen(0, 1).mayPay(64, 64)).toBe(false);
  expect(seen(1, 0).mayPay(64, 64)).toBe(true);
  expect(seen(1, 0, 64).mayPay(64, 64)).toBe(false);
});

test("between these, as many as give most tokens a second", () => {
  const choice = seen(16, 1);
  const chances = falling(0.8);
  const rate = (checked: number) =>
    (8 + chances.slice(0, checked).reduce((a, b) => a + b, 0)) / (16 + 8 + checked);
  const checked = choice.choose(8, chances);
  const best = Array.from({ length: 120 }, (_, i) => rate(i + 1)).reduce((a, b) => Math.max(a, b));
  expect(checked).toBeGreaterThan(8);
  expect(checked).toBeLessThan(60);
  expect(rate(checked)).toBeGreaterThan(0.98 * best);
  expect(choice.choose(8, falling(0.1))).toBe(0);
});

test("before a step was timed nothing is checked, and larger passes are tried by and by", () => {
  const choice = new MostTokensASecond(128);
  const chances = falling(0.95);
  expect(choice.choose(8, chances)).toBe(0);
  choice.noteStep(8, 99); // compiles
  choice.noteStep(8, 1);
  expect(choice.choose(8, chances)).toBe(8);
  for (let i = 0; i < 2; i++) choice.noteCheck(16, 1.1);
  expect(choice.choose(8, chances)).toBe(24);
  // and what turns out to be dear is left, and tried again much later
  for (let i = 0; i < 2; i++) choice.noteCheck(32, 20);
  for (let i = 0; i < 9; i++) choice.noteCheck(16, 20);
  let turns = 0;
  while (choice.choose(8, chances) === 0 && turns < 2000) turns++;
  expect(turns).toBeGreaterThan(20);
  expect(turns).toBeLessThan(2000);
});

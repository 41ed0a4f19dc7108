import { expect, test } from "bun:test";
import { LookAhead } from "../../beyond/scheduling/look-ahead.ts";

function completions(lookAhead: LookAhead, length: number, count: number): void {
  for (let i = 0; i < count; i++) {
    for (let n = 1; n <= length; n++) lookAhead.note(n, n === length);
  }
}

test("ends are foreseen from the completions that got so far, recent ones counting more", () => {
  const lookAhead = new LookAhead(8);
  expect(lookAhead.endsAt(3)).toBe(0);
  completions(lookAhead, 3, 6);
  completions(lookAhead, 5, 2);
  expect([1, 2, 3, 4, 5, 6].map((n) => lookAhead.endsAt(n))).toEqual([0, 0, 0.75, 0, 1, 0]);
  lookAhead.fade();
  completions(lookAhead, 5, 4);
  expect(lookAhead.endsAt(3)).toBeCloseTo(3 / 8, 12);
});

test("another turn pays while what it decodes for nothing takes less than the wait", () => {
  let now = 1000;
  const lookAhead = new LookAhead(8, 1e-3, () => now);
  expect(lookAhead.pays(100)).toBe(true); // nothing is known
  now = 1010;
  lookAhead.seen(100, 1000); // 0.1 ms a row
  expect(lookAhead.pays(4)).toBe(true);
  expect(lookAhead.pays(6)).toBe(false);
  now = 1012;
  lookAhead.seen(100, 1001); // given long before, but begun when the other ended: 0.02 ms
  expect(lookAhead.pays(24)).toBe(true);
  expect(lookAhead.pays(26)).toBe(false);
});

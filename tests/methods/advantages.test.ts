/** Each advantage against its definition, counted out: all groups of a tiny policy, all subsets of a group. */
import { describe, expect, test } from "bun:test";
import { leaveOneOutK } from "../../beyond/methods/leave-one-out-k.ts";
import { maxAtK } from "../../beyond/methods/max-at-k.ts";
import { maxrl } from "../../beyond/methods/maxrl.ts";
import { passAtKAdvantage } from "../../beyond/methods/pass-at-k.ts";
import { grpo } from "../../lib/explore/advantages/grpo.ts";
import { groupOf } from "../fakes.ts";
import {
  close,
  drawn,
  expectedStep,
  gradientOf,
  probabilities,
  subsets,
  type Toy,
  times,
} from "./enumeration.ts";

const TOY: Toy = { logits: [0.3, -0.4, 1], rewards: [1, 0, 0] };
const TWO_RIGHT: Toy = { logits: [0.3, -0.4, 1], rewards: [1, 1, 0] };

/** The chance of success, under pi. */
const success =
  ({ rewards }: Toy) =>
  (pi: number[]) =>
    pi.reduce((sum, p, a) => sum + p * rewards[a], 0);

const passing = (toy: Toy, k: number) => (pi: number[]) => 1 - (1 - success(toy)(pi)) ** k;

describe("maxrl", () => {
  test("by hand", () => {
    close(maxrl.signal(groupOf({ rewards: [1, 0, 0, 0] })), [3, -1, -1, -1]);
    close(maxrl.signal(groupOf({ rewards: [1, 1, 1, 0] })), [1 / 3, 1 / 3, 1 / 3, -1]);
    expect([...maxrl.signal(groupOf({ rewards: [0, 0] }))]).toEqual([0, 0]);
  });

  test.each([TOY, TWO_RIGHT])("is the gradient of log p, cut off after n - 1 terms: %p", (toy) => {
    for (const n of [2, 3, 5]) {
      const cutOff = (pi: number[]) => {
        let sum = 0;
        for (let k = 1; k < n; k++) sum += passing(toy, k)(pi) / k;
        return sum;
      };
      close(expectedStep(maxrl, {}, toy, n), gradientOf(cutOff, toy));
    }
  });

  test("comes to the gradient of log p", () => {
    const gradient = gradientOf((pi) => Math.log(success(TWO_RIGHT)(pi)), TWO_RIGHT);
    const wrong = 1 - success(TWO_RIGHT)(probabilities(TWO_RIGHT));
    for (const n of [2, 4, 8]) {
      const reached = times(1 - wrong ** (n - 1), gradient);
      close(expectedStep(maxrl, {}, TWO_RIGHT, n), reached);
    }
  });
});

describe("pass-at-k", () => {
  test("by hand", () => {
    const group = groupOf({ outcomes: ["1", "2", "3", "4"], correct: [true, false, false, false] });
    close(passAtKAdvantage.signal(group, { atK: 2 }), [1, -1 / 3, -1 / 3, -1 / 3]);
  });

  test("is what all subsets with i reach, less what all subsets do", () => {
    for (let n = 2; n <= 7; n++) {
      for (let c = 0; c <= n; c++) {
        const correct = Array.from({ length: n }, (_, i) => i < c);
        const group = groupOf({ outcomes: correct.map(String), correct });
        for (let k = 1; k < n; k++) {
          const expected = overSubsets(correct.map(Number), k);
          close(passAtKAdvantage.signal(group, { atK: k }), expected, 12);
        }
      }
    }
  });

  test("is (1 - k/n) times the gradient of pass@k; k = 1 is GRPO", () => {
    for (const k of [1, 2, 3]) {
      const gradient = times(1 - k / 5, gradientOf(passing(TWO_RIGHT, k), TWO_RIGHT));
      close(expectedStep(passAtKAdvantage, { atK: k }, TWO_RIGHT, 5), gradient);
    }
    const group = drawn(TOY, [0, 1, 1, 0, 2]);
    close(passAtKAdvantage.signal(group, { atK: 1 }), [...grpo.signal(group)], 14);
  });

  test("a group in which all are right, or wrong, has none; a k too large for it is the largest", () => {
    for (const right of [true, false]) {
      const group = groupOf({ outcomes: ["1", "1", "1"], correct: [right, right, right] });
      for (const value of passAtKAdvantage.signal(group, { atK: 2 })) expect(value).toBe(0);
    }
    const group = drawn(TOY, [0, 1, 1]);
    const [most, more] = [2, 9].map((k) => passAtKAdvantage.signal(group, { atK: k }));
    expect([...more]).toEqual([...most]);
  });
});

/** k (mean of max over the subsets with i - mean over all subsets). */
function overSubsets(values: readonly number[], k: number): number[] {
  const best = subsets(values.length, k).map((places) => ({
    places,
    max: Math.max(...places.map((i) => values[i])),
  }));
  const mean = (some: typeof best) => some.reduce((sum, { max }) => sum + max, 0) / some.length;
  return values.map(
    (_, i) => k * (mean(best.filter(({ places }) => places.includes(i))) - mean(best)),
  );
}

describe("max-at-k", () => {
  test("by hand", () => {
    const group = groupOf({ rewards: [1, 0.5, 0, 0] });
    close(maxAtK.signal(group, { atK: 2 }), [2 / 3, 0, -1 / 3, -1 / 3]);
  });

  test("is what all subsets with i reach, less what all subsets do", () => {
    for (const rewards of [
      [0.5, 1, 0.25, 0, 0.25, 1],
      [-1, -0.5, -1, 2, 0.1],
      [0.3, 0.3, 0.3],
      [0, 0, 0, 1],
    ]) {
      for (let k = 1; k < rewards.length; k++) {
        close(maxAtK.signal(groupOf({ rewards }), { atK: k }), overSubsets(rewards, k), 12);
      }
    }
  });

  test("with rewards of 0 and 1 it is pass-at-k; equal rewards give exactly 0", () => {
    const group = drawn(TOY, [0, 1, 1, 0, 2]);
    const parameters = { atK: 3 };
    close(maxAtK.signal(group, parameters), [...passAtKAdvantage.signal(group, parameters)], 12);
    for (const value of maxAtK.signal(groupOf({ rewards: Array(7).fill(0.1) }), { atK: 3 })) {
      expect(value).toBe(0);
    }
  });
});

describe("leave-one-out-k", () => {
  test("by hand", () => {
    const group = groupOf({ rewards: [1, 0, 0, 0] });
    close(leaveOneOutK.signal(group, { atK: 2 }), [3 / 2, -1 / 3, -1 / 3, -1 / 3]);
  });

  test("has the gradient of pass@k for k <= 2, and more of it for greater k", () => {
    for (const k of [1, 2]) {
      const gradient = times(1 - 1 / 5, gradientOf(passing(TOY, k), TOY));
      close(expectedStep(leaveOneOutK, { atK: k }, TOY, 5), gradient);
    }
    const [step] = expectedStep(leaveOneOutK, { atK: 4 }, TOY, 5);
    expect(step / ((1 - 1 / 5) * gradientOf(passing(TOY, 4), TOY)[0])).toBeGreaterThan(1.1);
  });

  test("is not pass-at-k, though both have the k of pass@k", () => {
    const group = drawn(TOY, [0, 1, 1, 1, 0]);
    const [a] = leaveOneOutK.signal(group, { atK: 3 });
    const [b] = passAtKAdvantage.signal(group, { atK: 3 });
    expect(Math.abs(a - b)).toBeGreaterThan(0.1);
  });
});

import { describe, expect, test } from "bun:test";
import {
  hasSignal,
  type ScaleRewards,
  writeTokenAdvantages,
} from "../../lib/explore/advantages.ts";
import { advantagesOf } from "../fakes.ts";
import golden from "../golden/trl_loss.json";

describe("rewardAdvantages", () => {
  for (const scale of ["none", "group", "batch"] as const satisfies ScaleRewards[]) {
    test(`${scale} is TRL's`, () => {
      const advantages = advantagesOf(golden.rewards, scale);
      for (const [g, expected] of golden.advantages[scale].entries()) {
        for (const [i, value] of expected.entries()) {
          expect(advantages[g][i]).toBeCloseTo(value, 12);
        }
      }
    });
  }

  test("by hand: one right out of four", () => {
    expect([...advantagesOf([[1, 0, 0, 0]], "none")[0]]).toEqual([0.75, -0.25, -0.25, -0.25]);
    // Squares 9/16 + 3/16 = 3/4 over n - 1 = 3: the deviation is 1/2.
    expect(advantagesOf([[1, 0, 0, 0]], "group")[0][0]).toBeCloseTo(0.75 / 0.5001, 14);
  });

  test("equal rewards give exactly 0, though 0.1 is no binary fraction", () => {
    for (const scale of ["none", "group", "batch"] as const) {
      const [same] = advantagesOf([Array(7).fill(0.1), [0, 1]], scale);
      for (const advantage of same) expect(Object.is(advantage, 0)).toBe(true);
    }
  });
});

test("a group is skipped only if its total signal is zero on every token", () => {
  expect(hasSignal([0, 0], [0, 0], "all")).toBe(false);
  expect(hasSignal([0, 0], [0, 0], "reasoning")).toBe(false);
  expect(hasSignal([0, 0], [0, -0.1], "all")).toBe(true);
  expect(hasSignal([0.5, -0.5], [0, 0], "all")).toBe(true);
  // The terms cancel: nothing is left, except on the answer's own tokens under "reasoning".
  expect(hasSignal([0.5, -0.5], [-0.5, 0.5], "all")).toBe(false);
  expect(hasSignal([0.5, -0.5], [-0.5, 0.5], "reasoning")).toBe(true);
});

describe("writeTokenAdvantages", () => {
  const write = (length: number, answerStart: number, tokens: "all" | "reasoning") => {
    const out = new Float64Array(8).fill(Number.NaN);
    writeTokenAdvantages(out, 2, { length, answerStart }, 0.75, -0.25, tokens);
    return [...out];
  };

  test("all tokens, or those before the answer", () => {
    const { NaN: no } = Number;
    expect(write(5, 3, "all")).toEqual([no, no, 0.5, 0.5, 0.5, 0.5, 0.5, no]);
    expect(write(5, 3, "reasoning")).toEqual([no, no, 0.5, 0.5, 0.5, 0.75, 0.75, no]);
  });

  test("what a bonus gives each token is added where the bonus is", () => {
    const of = (tokens: "all" | "reasoning") => {
      const out = new Float64Array(3);
      const added = [1, 2, 4];
      writeTokenAdvantages(out, 0, { length: 3, answerStart: 2 }, 0.75, -0.25, tokens, added);
      return [...out];
    };
    expect(of("all")).toEqual([1.5, 2.5, 4.5]);
    expect(of("reasoning")).toEqual([1.5, 2.5, 0.75]);
  });

  test("an answer at the first token, and no answer", () => {
    const { NaN: no } = Number;
    expect(write(3, 0, "reasoning")).toEqual([no, no, 0.75, 0.75, 0.75, no, no, no]);
    expect(write(3, 3, "reasoning")).toEqual([no, no, 0.5, 0.5, 0.5, no, no, no]);
    expect(write(0, 0, "reasoning")).toEqual(Array(8).fill(no));
  });
});

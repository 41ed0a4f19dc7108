import { describe, expect, test } from "bun:test";
import { distinctAnswers, distinctAtK, passAtK } from "../../beyond/measuring/estimators.ts";
import { type Outcome, tallyOutcomes } from "../../lib/explore/counter.ts";
import { meanOverSubsets } from "./subsets.ts";

describe("passAtK", () => {
  test("equals the mean over every choice of k samples", () => {
    for (let n = 1; n <= 8; n++) {
      for (let c = 0; c <= n; c++) {
        const samples = Array.from({ length: n }, (_, i) => i < c);
        for (let k = 1; k <= n; k++) {
          const expected = meanOverSubsets(samples, k, (chosen) => Number(chosen.some(Boolean)));
          expect(passAtK(n, c, k)).toBeCloseTo(expected, 13);
        }
      }
    }
  });

  test("is exact at its ends and finite where factorials are not", () => {
    expect(passAtK(10, 0, 5)).toBe(0);
    expect(passAtK(10, 6, 5)).toBe(1);
    expect(passAtK(10, 3, 1)).toBeCloseTo(0.3, 15);
    // 1 - C(9999, 5000) / C(10000, 5000) = 1/2.
    expect(passAtK(10000, 1, 5000)).toBeCloseTo(0.5, 12);
    expect(passAtK(10000, 5000, 1)).toBeCloseTo(0.5, 12);
  });

  test("refuses k > n, k < 1 and c outside 0..n", () => {
    for (const [n, c, k] of [
      [4, 1, 5],
      [4, 1, 0],
      [4, 5, 1],
      [4, -1, 1],
      [0, 0, 1],
    ]) {
      expect(() => passAtK(n, c, k)).toThrow(RangeError);
    }
  });
});

describe("distinctAtK", () => {
  test("equals the mean over every choice of k samples; no answer is not one", () => {
    const groups: Outcome[][] = [
      ["a"],
      ["a", "a", "b", "c", "c", "c", "d"],
      ["a", null, null, "b", "a", "null"],
      [null, null, null],
    ];
    for (const outcomes of groups) {
      for (let k = 1; k <= outcomes.length; k++) {
        const expected = meanOverSubsets(outcomes, k, distinctAnswers);
        expect(distinctAtK(tallyOutcomes(outcomes), k)).toBeCloseTo(expected, 13);
      }
    }
  });

  test("refuses more than the samples there are", () => {
    expect(() => distinctAtK(tallyOutcomes(["a", "b"]), 3)).toThrow(RangeError);
  });
});

test("distinctAnswers", () => {
  expect(distinctAnswers(["a", "b", "a", null])).toBe(2);
  expect(distinctAnswers([null])).toBe(0);
});

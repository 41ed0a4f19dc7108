/**
 * The worked example, to be checked by hand against the table at the head of bonus.ts.
 *
 * Question x has been asked before; its answers "5", "6", "7", "8" were seen 0, 1, 4 and 16 times. One
 * group of four now gives each once, and only "5" is right:
 *
 *     answer           "5"      "6"      "7"      "8"
 *     N(x, a)           0        1        4       16
 *     b = 1/sqrt(N)     1        1       1/2      1/4       (at most 1)
 *     others' mean    7/12     7/12      3/4      5/6
 *     ucb-mean        5/12     5/12     -1/4    -7/12
 *     ucb-con          1/2      1/2       0      -1/4       (b0 = 1/2)
 *     batch             0        0        0        0        (no answer twice)
 */
import { describe, expect, test } from "bun:test";
import {
  type Exploration,
  explorationSignal,
  methods,
  termSignal,
  usesHistory,
} from "../../lib/explore/bonus.ts";
import { type ExplorationMethod, type Group, historicalBonus } from "../../lib/explore/method.ts";
import { groupOf } from "../fakes.ts";

const NAMES = methods.map(({ name }) => name);

/** The methods named, each with its coefficient. */
const terms = (names: readonly string[], coefficients: readonly number[], b0 = 0.5): Exploration =>
  names.map((name, i) => {
    const method = methods.find((method) => method.name === name) as ExplorationMethod;
    return { method, coefficient: coefficients[i], parameters: { b0 } };
  });

/** B of one method. */
const signalOf = (name: string, group: Group, b0?: number) =>
  termSignal(terms([name], [1], b0)[0], group);

const group = groupOf({
  outcomes: ["5", "6", "7", "8"],
  counts: [0, 1, 4, 16],
  correct: [true, false, false, false],
});

function expectClose(actual: ArrayLike<number>, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) expect(actual[i]).toBeCloseTo(expected[i], 14);
}

describe("the worked example", () => {
  const table: Record<string, number[]> = {
    ucb: [1, 1, 1 / 2, 1 / 4],
    "ucb-mean": [5 / 12, 5 / 12, -1 / 4, -7 / 12],
    "ucb-con": [1 / 2, 1 / 2, 0, -1 / 4],
    batch: [0, 0, 0, 0],
  };
  for (const name of NAMES) {
    test(name, () => {
      expectClose(signalOf(name, group), table[name]);
      const weighted = explorationSignal(terms([name], [0.2]), group);
      expectClose(
        weighted,
        table[name].map((signal) => 0.2 * signal),
      );
    });
  }

  test("bonus by count", () => {
    expect([0, 1, 4, 16, 100].map(historicalBonus)).toEqual([1, 1, 0.5, 0.25, 0.1]);
    expect(historicalBonus(2)).toBeCloseTo(Math.SQRT1_2, 15);
  });

  test("b0 = 1 makes ucb-con a pure penalty on repetition", () => {
    expectClose(signalOf("ucb-con", group, 1), [0, 0, -1 / 2, -3 / 4]);
  });

  test("batch charges each repeat within the group, whatever the history", () => {
    const repeats = { ...group, outcomes: ["5", "7", "7", "7"] };
    expectClose(signalOf("batch", repeats), [0, -1 / 2, -1 / 2, -1 / 2]);
    const same = { ...group, outcomes: ["7", "7", "7", "7"] };
    expectClose(signalOf("batch", same), [-3 / 4, -3 / 4, -3 / 4, -3 / 4]);
  });

  test("terms add up, each with its own coefficient", () => {
    const repeats = { ...group, outcomes: ["5", "5", "7", "8"], counts: [0, 0, 4, 16] };
    const both = terms(["ucb-con", "batch"], [0.2, 0.4]);
    // 0.2 (b - 1/2) + 0.4 B: 0.1 - 0.1, twice; 0; -0.05.
    expectClose(explorationSignal(both, repeats), [0, 0, 0, -0.05]);
  });
});

describe("a solved group", () => {
  for (const name of NAMES) {
    test(`${name} adds exactly 0`, () => {
      const solved = {
        ...group,
        outcomes: ["5", "5", "5", "5"],
        correct: [true, true, true, true],
      };
      const signal = explorationSignal(terms([name], [0.2]), solved);
      for (const value of signal) expect(Object.is(value, 0)).toBe(true);
    });
  }

  test("one failure is enough to explore", () => {
    const nearly = { ...group, outcomes: ["5", "5", "5", "6"], correct: [true, true, true, false] };
    expect(explorationSignal(terms(["batch"], [0.2]), nearly)[0]).toBeLessThan(0);
  });
});

describe("no answer (null)", () => {
  const unanswered = groupOf({
    outcomes: [null, "6", "7", null],
    counts: [0, 1, 4, 0],
  });

  test("is never rewarded for being new", () => {
    expectClose(signalOf("ucb", unanswered), [0, 1, 1 / 2, 0]);
    expectClose(signalOf("ucb-con", unanswered), [0, 1 / 2, 0, 0]);
  });

  test("counts uncapped in the group mean of the others", () => {
    // b = 1, 1, 1/2, 1: the others of "6" average 5/6, those of "7" 1.
    expectClose(signalOf("ucb-mean", unanswered), [0, 1 / 6, -1 / 2, 0]);
  });

  test("is punished like any outcome", () => {
    const often = { ...unanswered, counts: [16, 1, 4, 16] };
    expectClose(signalOf("ucb-con", often), [-1 / 4, 1 / 2, 0, -1 / 4]);
    expectClose(signalOf("batch", unanswered), [-1 / 4, 0, 0, -1 / 4]);
  });

  test("is capped term by term: a reward cannot offset a penalty", () => {
    const both = terms(["ucb-con", "batch"], [0.2, 0.4]);
    expectClose(explorationSignal(both, unanswered), [-0.1, 0.1, 0, -0.1]);
  });
});

test("coefficient 0 gives the bits of none", () => {
  const repeats = { ...group, outcomes: ["5", null, "7", "7"] };
  for (const names of [
    [],
    ...NAMES.map((name) => [name]),
    ["ucb-con", "batch"],
    ["ucb", "ucb-mean"],
  ]) {
    const signal = explorationSignal(terms(names, [0, 0]), repeats);
    for (const value of signal) expect(Object.is(value, 0)).toBe(true);
  }
});

test("no signal is -0", () => {
  const exploration = terms(["batch"], [0.2]);
  for (const value of explorationSignal(exploration, group)) expect(Object.is(value, 0)).toBe(true);
});

test("equal bonuses cancel exactly in ucb-mean, at any count and group size", () => {
  for (const n of [2, 3, 7, 8]) {
    for (const count of [2, 3, 5, 11]) {
      const same = groupOf({ outcomes: Array(n).fill("5"), counts: Array(n).fill(count) });
      for (const value of signalOf("ucb-mean", same)) expect(value).toBe(0);
    }
  }
});

test("usesHistory tells the methods that need revisits", () => {
  const uses = (names: string[], c: number) => usesHistory(terms(names, [c, c]));
  expect([[], ["batch"]].some((names) => uses(names, 0.2))).toBe(false);
  const historical = [["ucb"], ["ucb-mean"], ["ucb-con"], ["batch", "ucb"]];
  expect(historical.every((names) => uses(names, 0.2))).toBe(true);
  expect(uses(["ucb-con"], 0)).toBe(false);
});

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
  explorationSignal,
  type Group,
  historicalBonus,
  parseExploration,
  type Strategy,
  strategies,
  strategySignal,
  usesHistory,
} from "../../lib/explore/bonus.ts";

const group: Group = {
  outcomes: ["5", "6", "7", "8"],
  counts: [0, 1, 4, 16],
  rewards: [1, 0, 0, 0],
};

function expectClose(actual: ArrayLike<number>, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) expect(actual[i]).toBeCloseTo(expected[i], 14);
}

describe("the worked example", () => {
  const table: Record<Strategy, number[]> = {
    none: [0, 0, 0, 0],
    ucb: [1, 1, 1 / 2, 1 / 4],
    "ucb-mean": [5 / 12, 5 / 12, -1 / 4, -7 / 12],
    "ucb-con": [1 / 2, 1 / 2, 0, -1 / 4],
    batch: [0, 0, 0, 0],
  };
  for (const strategy of strategies) {
    test(strategy, () => {
      expectClose(strategySignal(strategy, group, 0.5), table[strategy]);
      const weighted = explorationSignal(parseExploration(strategy, [0.2], 0.5), group);
      expectClose(
        weighted,
        table[strategy].map((signal) => 0.2 * signal),
      );
    });
  }

  test("bonus by count", () => {
    expect([0, 1, 4, 16, 100].map(historicalBonus)).toEqual([1, 1, 0.5, 0.25, 0.1]);
    expect(historicalBonus(2)).toBeCloseTo(Math.SQRT1_2, 15);
  });

  test("b0 = 1 makes ucb-con a pure penalty on repetition", () => {
    expectClose(strategySignal("ucb-con", group, 1), [0, 0, -1 / 2, -3 / 4]);
  });

  test("batch charges each repeat within the group, whatever the history", () => {
    const repeats = { ...group, outcomes: ["5", "7", "7", "7"] };
    expectClose(strategySignal("batch", repeats, 0.5), [0, -1 / 2, -1 / 2, -1 / 2]);
    const same = { ...group, outcomes: ["7", "7", "7", "7"] };
    expectClose(strategySignal("batch", same, 0.5), [-3 / 4, -3 / 4, -3 / 4, -3 / 4]);
  });

  test("terms add up, each with its own coefficient", () => {
    const repeats = { ...group, outcomes: ["5", "5", "7", "8"], counts: [0, 0, 4, 16] };
    const both = parseExploration("ucb-con,batch", [0.2, 0.4], 0.5);
    // 0.2 (b - 1/2) + 0.4 B: 0.1 - 0.1, twice; 0; -0.05.
    expectClose(explorationSignal(both, repeats), [0, 0, 0, -0.05]);
  });
});

describe("a solved group", () => {
  for (const strategy of strategies) {
    test(`${strategy} adds exactly 0`, () => {
      const solved = { ...group, outcomes: ["5", "5", "5", "5"], rewards: [1, 1, 1, 1] };
      const signal = explorationSignal(parseExploration(strategy, [0.2], 0.5), solved);
      for (const value of signal) expect(Object.is(value, 0)).toBe(true);
    });
  }

  test("one failure is enough to explore", () => {
    const nearly = { ...group, outcomes: ["5", "5", "5", "6"], rewards: [1, 1, 1, 0] };
    expect(explorationSignal(parseExploration("batch", [0.2], 0.5), nearly)[0]).toBeLessThan(0);
  });
});

describe("no answer (null)", () => {
  const unanswered: Group = {
    outcomes: [null, "6", "7", null],
    counts: [0, 1, 4, 0],
    rewards: [0, 0, 0, 0],
  };

  test("is never rewarded for being new", () => {
    expectClose(strategySignal("ucb", unanswered, 0.5), [0, 1, 1 / 2, 0]);
    expectClose(strategySignal("ucb-con", unanswered, 0.5), [0, 1 / 2, 0, 0]);
  });

  test("counts uncapped in the group mean of the others", () => {
    // b = 1, 1, 1/2, 1: the others of "6" average 5/6, those of "7" 1.
    expectClose(strategySignal("ucb-mean", unanswered, 0.5), [0, 1 / 6, -1 / 2, 0]);
  });

  test("is punished like any outcome", () => {
    const often = { ...unanswered, counts: [16, 1, 4, 16] };
    expectClose(strategySignal("ucb-con", often, 0.5), [-1 / 4, 1 / 2, 0, -1 / 4]);
    expectClose(strategySignal("batch", unanswered, 0.5), [-1 / 4, 0, 0, -1 / 4]);
  });

  test("is capped term by term: a reward cannot offset a penalty", () => {
    const both = parseExploration("ucb-con,batch", [0.2, 0.4], 0.5);
    expectClose(explorationSignal(both, unanswered), [-0.1, 0.1, 0, -0.1]);
  });
});

test("coefficient 0 gives the bits of none", () => {
  const repeats = { ...group, outcomes: ["5", null, "7", "7"] };
  for (const text of [...strategies, "ucb-con,batch", "ucb,ucb-mean"]) {
    const signal = explorationSignal(parseExploration(text, [0], 0.5), repeats);
    for (const value of signal) expect(Object.is(value, 0)).toBe(true);
  }
});

test("no signal is -0", () => {
  const exploration = parseExploration("batch", [0.2], 0.5);
  for (const value of explorationSignal(exploration, group)) expect(Object.is(value, 0)).toBe(true);
});

test("equal bonuses cancel exactly in ucb-mean, at any count and group size", () => {
  for (const n of [2, 3, 7, 8]) {
    for (const count of [2, 3, 5, 11]) {
      const same: Group = {
        outcomes: Array(n).fill("5"),
        counts: Array(n).fill(count),
        rewards: Array(n).fill(0),
      };
      for (const value of strategySignal("ucb-mean", same, 0.5)) expect(value).toBe(0);
    }
  }
});

describe("parseExploration", () => {
  test("reads sums; one coefficient serves all terms", () => {
    expect(parseExploration("ucb-con, batch", [0.2], 0.5)).toEqual({
      terms: [
        { strategy: "ucb-con", coefficient: 0.2 },
        { strategy: "batch", coefficient: 0.2 },
      ],
      b0: 0.5,
    });
    expect(parseExploration("none", [0.2], 0.5).terms).toEqual([]);
  });

  const wrong: [text: string, coefficients: number[], b0: number, message: string][] = [
    ["ucbcon", [0.2], 0.5, 'unknown exploration strategy "ucbcon": choose from none, ucb,'],
    ["", [0.2], 0.5, 'unknown exploration strategy ""'],
    ["ucb,batch,ucb", [0.2], 0.5, "ucb is given twice"],
    ["none,batch", [0.2], 0.5, "none cannot be added to others"],
    ["ucb,batch", [0.1, 0.2, 0.3], 0.5, "3 exploration coefficients for 2 strategies"],
    ["ucb", [], 0.5, "0 exploration coefficients for 1 strategies"],
    ["ucb", [-0.1], 0.5, "coefficient -0.1 must be"],
    ["ucb", [Number.NaN], 0.5, "coefficient NaN must be"],
    ["ucb", [Infinity], 0.5, "coefficient Infinity must be"],
    ["ucb", [0.2], -1, "b0 -1 must be"],
    ["ucb", [0.2], Number.NaN, "b0 NaN must be"],
  ];
  for (const [text, coefficients, b0, message] of wrong) {
    test(message, () => {
      expect(() => parseExploration(text, coefficients, b0)).toThrow(RangeError);
      expect(() => parseExploration(text, coefficients, b0)).toThrow(message);
    });
  }
});

test("usesHistory tells the strategies that need revisits", () => {
  const uses = (text: string, c: number) => usesHistory(parseExploration(text, [c], 0.5));
  expect(["none", "batch"].some((text) => uses(text, 0.2))).toBe(false);
  expect(["ucb", "ucb-mean", "ucb-con", "batch,ucb"].every((text) => uses(text, 0.2))).toBe(true);
  expect(uses("ucb-con", 0)).toBe(false);
});

import { describe, expect, test } from "bun:test";
import { parseExploration } from "../../beyond/settings/exploration.ts";
import { batch } from "../../lib/explore/methods/batch.ts";
import { ucbCon } from "../../lib/explore/methods/ucb-con.ts";

describe("parseExploration", () => {
  test("reads sums; one coefficient serves all terms", () => {
    const both = parseExploration("ucb-con, batch", [0.2], { b0: 0.3, seed: 1 });
    expect(both).toEqual([
      { method: ucbCon, coefficient: 0.2, parameters: { b0: 0.3 } },
      { method: batch, coefficient: 0.2, parameters: {} },
    ]);
    expect(parseExploration("ucb-con", [0.2])[0].parameters).toEqual({ b0: 0.5 });
    expect(parseExploration("none", [0.2])).toEqual([]);
  });

  const wrong: [text: string, coefficients: number[], b0: number, message: string][] = [
    ["ucbcon", [0.2], 0.5, 'unknown exploration method "ucbcon": choose from none, ucb,'],
    ["", [0.2], 0.5, 'unknown exploration method ""'],
    ["ucb,batch,ucb", [0.2], 0.5, "ucb is given twice"],
    ["none,batch", [0.2], 0.5, "none cannot be added to others"],
    ["ucb,batch", [0.1, 0.2, 0.3], 0.5, "3 exploration coefficients for 2 methods"],
    ["ucb", [], 0.5, "0 exploration coefficients for 1 methods"],
    ["ucb", [-0.1], 0.5, "coefficient -0.1 must be"],
    ["ucb", [Number.NaN], 0.5, "coefficient NaN must be"],
    ["ucb", [Infinity], 0.5, "coefficient Infinity must be"],
    ["ucb-con", [0.2], -1, "b0 -1 must be"],
    ["ucb-con", [0.2], Number.NaN, "b0 NaN must be"],
  ];
  for (const [text, coefficients, b0, message] of wrong) {
    test(message, () => {
      expect(() => parseExploration(text, coefficients, { b0 })).toThrow(RangeError);
      expect(() => parseExploration(text, coefficients, { b0 })).toThrow(message);
    });
  }
});

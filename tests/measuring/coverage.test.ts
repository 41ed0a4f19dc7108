import { describe, expect, test } from "bun:test";
import { quotient } from "../../beyond/measuring/bootstrap.ts";
import { coverageAfter, type Draw, historiesOf } from "../../beyond/measuring/coverage.ts";

/** Two questions, drawn in turns of two samples; "right" is the right answer. */
const draws: Draw[] = [
  ["x", "a"],
  ["x", "a"],
  ["y", null],
  ["y", "b"],
  ["x", "right"],
  ["x", "c"],
  ["y", "b"],
  ["y", "c"],
  ["x", "right"],
].map(([question, outcome]) => ({
  question: question as string,
  outcome,
  correct: outcome === "right",
}));

describe("training as sampling", () => {
  const histories = historiesOf(draws);

  test("a history tells where answers were new and where the right one came", () => {
    expect(histories).toEqual([
      { question: "x", samples: 5, solvedAt: 3, newAt: [1, 3, 4] },
      { question: "y", samples: 4, solvedAt: null, newAt: [2, 4] },
    ]);
  });

  test("after s samples of each question: what the first s of each show, counted by hand", () => {
    const at = (samples: number, among?: (question: string) => boolean) => {
      const { solved, distinct, distinctUnsolved } = coverageAfter(histories, samples, among);
      return [quotient(solved), quotient(distinct), quotient(distinctUnsolved)];
    };
    expect(at(2)).toEqual([0, 1, 1]);
    expect(at(3)).toEqual([1 / 2, 3 / 2, 1]);
    expect(at(4)).toEqual([1 / 2, 5 / 2, 2]);
    // y has no fifth sample
    expect(at(5)).toEqual([1, 3, Number.NaN]);
    expect(at(2, (question) => question === "x")).toEqual([0, 1, 1]);
    expect(at(4, (question) => question === "x")[2]).toBeNaN();
  });
});

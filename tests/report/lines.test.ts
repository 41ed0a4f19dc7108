import { expect, test } from "bun:test";
import { apart } from "../../lib/report/lines.ts";

test("labels that are far enough apart stay where they are", () => {
  expect(apart([3, 1, 5], 1, 10)).toEqual([3, 1, 5]);
});

test("labels that touch move apart about their mean, in their order, and not over the top", () => {
  expect(apart([2, 2, 9], 2, 20)).toEqual([1, 3, 9]);
  expect(apart([1, 2, 2.5], 1, 20).map((y) => y.toFixed(3))).toEqual(["0.833", "1.833", "2.833"]);
  expect(apart([10, 9.5, 9.9], 1, 10)).toEqual([10, 8, 9]);
});

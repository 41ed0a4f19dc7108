import { expect, test } from "bun:test";
import { expectClose, finiteDifferences } from "./compare.ts";

const reference = Float64Array.of(3, 4, 0);

test("accepts an error of up to 1e-5 of the norm and refuses more", () => {
  expectClose(Float64Array.of(3, 4 + 4.9e-5, 0), reference);
  expect(() => expectClose(Float64Array.of(3, 4 + 5.1e-5, 0), reference)).toThrow("worst at [1]");
});

test("the norm of the upstream gradient widens it", () => {
  const zero = new Float64Array(3);
  expect(() => expectClose(Float32Array.of(0, 0, 1e-7), zero)).toThrow("worst at [2] of 3");
  expectClose(Float32Array.of(0, 0, 1e-7), zero, { upstreamNorm: 1 });
});

test("refuses NaN, infinity and another length", () => {
  const named = { name: "dx", relative: Number.POSITIVE_INFINITY };
  expect(() => expectClose(Float32Array.of(3, Number.NaN, 0), reference, named)).toThrow(
    /dx.*\[1\]/,
  );
  expect(() => expectClose(Float32Array.of(3, 4, Infinity), reference, named)).toThrow(/dx.*\[2\]/);
  expect(() => expectClose(Float32Array.of(3, 4), reference, named)).toThrow("2 elements");
  expect(() => expectClose(Float32Array.of(1), Float64Array.of(Number.NaN))).toThrow(
    "reference NaN",
  );
});

test("finite differences restore what they change", () => {
  const x = Float64Array.of(2, 0.1);
  const gradient = finiteDifferences(() => x[0] ** 3 + x[1], x);
  expectClose(gradient, Float64Array.of(12, 1), { relative: 1e-9 });
  expect([...x]).toEqual([2, 0.1]);
});

import { describe, expect, test } from "bun:test";
import { exponentOf, fromHalves, sumExponent, toHalves } from "../../beyond/cluster/halves.ts";
import { Random } from "../../lib/random.ts";

const vector = (random: Random, scale: number, length = 1000) =>
  Float32Array.from({ length }, () => scale * (random.float() - 0.5));

describe("gradients in f16", () => {
  test.each([1e-30, 1e-9, 1, 1e9, 1e30])("keep their digits at any size: %p", (scale) => {
    const values = vector(new Random(1), scale);
    const exponent = exponentOf([values.subarray(0, 10), values.subarray(10)]);
    const largest = Math.max(...values.map(Math.abs)) * 2 ** exponent;
    expect(largest).toBeGreaterThanOrEqual(2 ** 14 * 0.999);
    expect(largest).toBeLessThan(2 ** 15);
    const again = fromHalves(toHalves(values, exponent), exponent);
    for (const [i, value] of values.entries()) {
      // 11 bits, or what is left of them far below the largest
      const error = Math.max(Math.abs(value) * 2 ** -11, 2 ** (-25 - exponent));
      expect(Math.abs(again[i] - value)).toBeLessThanOrEqual(error);
    }
  });

  test("are sent a second time as they came", () => {
    const values = vector(new Random(2), 1e-5);
    const exponent = exponentOf([values]);
    const once = fromHalves(toHalves(values, exponent), exponent);
    expect(fromHalves(toHalves(once, exponent), exponent)).toEqual(once);
  });

  test.each([1, 2, 3, 7, 64])("of %i shards have a sum that fits", (shards) => {
    const all = Array.from({ length: shards }, (_, i) => {
      const values = vector(new Random(3, i), 10 ** -(i % 5));
      values[0] = 10 ** -(i % 5); // the largest numbers add up
      return values;
    });
    const exponents = all.map((values) => exponentOf([values]));
    const sum = new Float32Array(1000);
    for (const values of all) for (const [i, value] of values.entries()) sum[i] += value;
    const halves = toHalves(sum, sumExponent(exponents));
    expect(halves.every(Number.isFinite)).toBe(true);
    expect(Math.max(...halves.map(Math.abs))).toBeGreaterThan(1000);
  });

  test.each([NaN, Infinity, -Infinity])("say what is not finite: %p", (value) => {
    const values = Float32Array.of(1, value, 2);
    const exponent = exponentOf([values]);
    expect(exponent).toBe(0);
    expect([...fromHalves(toHalves(values, exponent), exponent)]).toEqual([...values]);
  });

  test("of nothing are nothing", () => {
    const zeros = new Float32Array(3);
    expect(fromHalves(toHalves(zeros, exponentOf([zeros])), 0)).toEqual(zeros);
  });
});

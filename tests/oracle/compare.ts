import { compare, type Tolerance } from "../../beyond/oracle/compare.ts";

/**
 * Fails unless ‖actual - reference‖ <= relative * ‖reference‖ + 1e-6 * upstreamNorm, every element
 * is finite and the lengths agree. The message names the worst element and, if given, `name`.
 */
export function expectClose(
  actual: ArrayLike<number>,
  reference: ArrayLike<number>,
  { name = "output", ...tolerance }: Tolerance & { name?: string } = {},
): void {
  const { error, tolerance: allowed, norm, worst } = compare(actual, reference, tolerance);
  if (error <= allowed) return;
  throw new Error(
    `${name}: ‖out - ref‖ = ${error.toExponential(3)}, allowed ${allowed.toExponential(3)} ` +
      `(‖ref‖ = ${norm.toExponential(3)}); ${worst}`,
  );
}

/**
 * The gradient of `f` with respect to `x` by central differences, (f(x+h) - f(x-h)) / 2h. `f` reads
 * `x`, which is changed in place and restored. In float64 with h = 1e-5 the relative error is near
 * 1e-9: h^2 from the third derivative, 1e-16 / h from rounding.
 */
export function finiteDifferences(f: () => number, x: Float64Array, h = 1e-5): Float64Array {
  return Float64Array.from({ length: x.length }, (_, i) => {
    const value = x[i];
    x[i] = value + h;
    const above = f();
    x[i] = value - h;
    const below = f();
    x[i] = value;
    return (above - below) / (2 * h);
  });
}

/** sum(a * b): a scalar loss whose gradient with respect to `b` is `a`. */
export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** The tolerance by which every kernel is compared with its float64 oracle. */

export interface Tolerance {
  /** Allowed error relative to the norm of the reference; 1e-5 for f32 kernels. */
  relative?: number;
  /** Norm of the gradient that entered the op; 1e-6 of it is allowed beside the relative error. */
  upstreamNorm?: number;
  /** What is compared, for the failure message. */
  name?: string;
}

type Floats = Float32Array | Float64Array;

/** Euclidean norm. */
export function norm(x: Floats): number {
  let sum = 0;
  for (const value of x) sum += value * value;
  return Math.sqrt(sum);
}

/** ‖actual - reference‖ / ‖reference‖; 0 when both are zero. */
export function relativeError(actual: Floats, reference: Floats): number {
  let sum = 0;
  for (let i = 0; i < reference.length; i++) sum += (actual[i] - reference[i]) ** 2;
  return sum === 0 ? 0 : Math.sqrt(sum) / norm(reference);
}

/**
 * Fails unless ‖actual - reference‖ <= relative * ‖reference‖ + 1e-6 * upstreamNorm, every element
 * is finite and the lengths agree. The message names the worst element.
 */
export function expectClose(
  actual: Floats,
  reference: Float64Array,
  { relative = 1e-5, upstreamNorm = 0, name = "output" }: Tolerance = {},
): void {
  if (actual.length !== reference.length) {
    throw new Error(`${name}: ${actual.length} elements, reference has ${reference.length}`);
  }
  let sum = 0;
  let worst = 0;
  let worstError = -1;
  for (let i = 0; i < reference.length; i++) {
    if (!Number.isFinite(actual[i])) {
      throw new Error(
        `${name}[${i}] of ${reference.length} is ${actual[i]}, reference ${reference[i]}`,
      );
    }
    const error = Math.abs(actual[i] - reference[i]);
    if (Number.isNaN(error)) throw new Error(`${name}: the reference is NaN at [${i}]`);
    sum += error * error;
    if (error > worstError) {
      worst = i;
      worstError = error;
    }
  }
  const error = Math.sqrt(sum);
  const referenceNorm = norm(reference);
  const allowed = relative * referenceNorm + 1e-6 * upstreamNorm;
  if (!(error <= allowed)) {
    throw new Error(
      `${name}: ‖out - ref‖ = ${error.toExponential(3)} > ${allowed.toExponential(3)} ` +
        `(‖ref‖ = ${referenceNorm.toExponential(3)}); worst at [${worst}] of ${reference.length}: ` +
        `${actual[worst]} instead of ${reference[worst]}`,
    );
  }
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

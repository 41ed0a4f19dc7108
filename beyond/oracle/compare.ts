/** The tolerance by which every kernel is compared with its float64 oracle. */

export interface Tolerance {
  /** Allowed error relative to the norm of the reference; 1e-5 for f32 kernels. */
  relative?: number;
  /** Norm of the gradient that entered the op; 1e-6 of it is allowed beside the relative error. */
  upstreamNorm?: number;
}

export interface Comparison {
  /** ‖actual - reference‖; NaN where anything is not finite or the lengths differ. */
  error: number;
  /** relative * ‖reference‖ + 1e-6 * upstreamNorm */
  tolerance: number;
  /** ‖reference‖ */
  norm: number;
  /** Where the two differ most, or why they cannot be compared. */
  worst: string;
}

/** Euclidean norm. */
export function norm(x: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * x[i];
  return Math.sqrt(sum);
}

/** Compares as one vector. It passes if error <= tolerance, which no NaN does. */
export function compare(
  actual: ArrayLike<number>,
  reference: ArrayLike<number>,
  { relative = 1e-5, upstreamNorm = 0 }: Tolerance = {},
): Comparison {
  const length = reference.length;
  const size = norm(reference);
  const tolerance = relative * size + 1e-6 * upstreamNorm;
  const differ = (worst: string) => ({ error: Number.NaN, tolerance, norm: size, worst });
  if (actual.length !== length) {
    return differ(`${actual.length} elements, reference has ${length}`);
  }
  let sum = 0;
  let worst = 0;
  let worstError = -1;
  for (let i = 0; i < length; i++) {
    const error = Math.abs(actual[i] - reference[i]);
    if (!Number.isFinite(error)) {
      return differ(`[${i}] of ${length} is ${actual[i]}, reference ${reference[i]}`);
    }
    sum += error * error;
    if (error > worstError) {
      worst = i;
      worstError = error;
    }
  }
  const place = `worst at [${worst}] of ${length}: ${actual[worst]} instead of ${reference[worst]}`;
  return { error: Math.sqrt(sum), tolerance, norm: size, worst: place };
}

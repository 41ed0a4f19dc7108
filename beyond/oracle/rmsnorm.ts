/** RMSNorm (Zhang and Sennrich 2019, arXiv 1910.07467) in float64: x, y [T, d], weight w [d]. */

export interface NormShape {
  T: number;
  d: number;
}

/** r = 1 / sqrt(mean_i(x_i^2) + eps) of row t */
function inverseRms(x: Float64Array, t: number, d: number, eps: number): number {
  let sum = 0;
  for (let i = 0; i < d; i++) sum += x[t * d + i] ** 2;
  return 1 / Math.sqrt(sum / d + eps);
}

/** y_i = x_i r w_i */
export function rmsnormForward(
  x: Float64Array,
  weight: Float64Array,
  eps: number,
  { T, d }: NormShape,
): Float64Array {
  const y = new Float64Array(T * d);
  for (let t = 0; t < T; t++) {
    const r = inverseRms(x, t, d, eps);
    for (let i = 0; i < d; i++) y[t * d + i] = x[t * d + i] * r * weight[i];
  }
  return y;
}

/**
 * dx_i = residual_i + r w_i dy_i - x_i r^3 mean_j(dy_j w_j x_j),
 * where `residual` [T, d] is the gradient that arrives past the norm, along the residual stream.
 */
export function rmsnormBackwardInput(
  dy: Float64Array,
  x: Float64Array,
  weight: Float64Array,
  eps: number,
  { T, d }: NormShape,
  residual?: Float64Array,
): Float64Array {
  const dx = residual ? residual.slice() : new Float64Array(T * d);
  for (let t = 0; t < T; t++) {
    const r = inverseRms(x, t, d, eps);
    let mean = 0;
    for (let j = 0; j < d; j++) mean += (dy[t * d + j] * weight[j] * x[t * d + j]) / d;
    for (let i = 0; i < d; i++) {
      dx[t * d + i] += r * weight[i] * dy[t * d + i] - x[t * d + i] * r ** 3 * mean;
    }
  }
  return dx;
}

/** dw_i = sum_t dy[t,i] x[t,i] r_t (+ initial_i) */
export function rmsnormBackwardWeight(
  dy: Float64Array,
  x: Float64Array,
  eps: number,
  { T, d }: NormShape,
  initial?: Float64Array,
): Float64Array {
  const dWeight = initial ? initial.slice() : new Float64Array(d);
  for (let t = 0; t < T; t++) {
    const r = inverseRms(x, t, d, eps);
    for (let i = 0; i < d; i++) dWeight[i] += dy[t * d + i] * x[t * d + i] * r;
  }
  return dWeight;
}

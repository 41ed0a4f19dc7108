/** Linear layer in float64: x [T, K], weight W [N, K], y [T, N], all row-major. */

export interface MatmulShape {
  T: number;
  K: number;
  N: number;
}

/** y[t,n] = sum_k x[t,k] W[n,k] (+ residual[t,n]) */
export function matmulForward(
  x: Float64Array,
  weight: Float64Array,
  { T, K, N }: MatmulShape,
  residual?: Float64Array,
): Float64Array {
  const y = residual ? residual.slice() : new Float64Array(T * N);
  for (let t = 0; t < T; t++) {
    for (let n = 0; n < N; n++) {
      let sum = 0;
      for (let k = 0; k < K; k++) sum += x[t * K + k] * weight[n * K + k];
      y[t * N + n] += sum;
    }
  }
  return y;
}

/** dx[t,k] = sum_n dy[t,n] W[n,k] (+ initial[t,k]) */
export function matmulBackwardInput(
  dy: Float64Array,
  weight: Float64Array,
  { T, K, N }: MatmulShape,
  initial?: Float64Array,
): Float64Array {
  const dx = initial ? initial.slice() : new Float64Array(T * K);
  for (let t = 0; t < T; t++) {
    for (let n = 0; n < N; n++) {
      const upstream = dy[t * N + n];
      for (let k = 0; k < K; k++) dx[t * K + k] += upstream * weight[n * K + k];
    }
  }
  return dx;
}

/** dW[n,k] = sum_t dy[t,n] x[t,k] (+ initial[n,k]) */
export function matmulBackwardWeight(
  dy: Float64Array,
  x: Float64Array,
  { T, K, N }: MatmulShape,
  initial?: Float64Array,
): Float64Array {
  const dWeight = initial ? initial.slice() : new Float64Array(N * K);
  for (let t = 0; t < T; t++) {
    for (let n = 0; n < N; n++) {
      const upstream = dy[t * N + n];
      for (let k = 0; k < K; k++) dWeight[n * K + k] += upstream * x[t * K + k];
    }
  }
  return dWeight;
}

/**
 * dy as beyond/kernels/matmul-matrix-backward.wgsl rounds it: to f16 after a division by the power of two that puts the
 * largest magnitude between 2^14 and 2^15.
 */
export function roundGradient(dy: Float64Array): Float64Array {
  let largest = 0;
  for (const value of dy) largest = Math.max(largest, Math.abs(value));
  if (largest === 0) return dy;
  const scale = 2 ** Math.max(Math.floor(Math.log2(largest)) - 14, -126);
  return dy.map((value) => scale * Math.f16round(value / scale));
}

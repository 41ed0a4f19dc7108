/**
 * A linear layer with a low-rank adapter (Hu et al. 2021, arXiv 2106.09685) in float64: x [T, K], frozen
 * weight W [N, K], A [rank, K], B [N, rank], all row-major.
 */
import {
  type MatmulShape,
  matmulBackwardInput,
  matmulBackwardWeight,
  matmulForward,
} from "./matmul.ts";

export interface LoraShape extends MatmulShape {
  rank: number;
  /** alpha / rank */
  scale: number;
}

export interface LoraWeights {
  weight: Float64Array;
  a: Float64Array;
  b: Float64Array;
}

const times = (factor: number, values: Float64Array) => values.map((value) => factor * value);

/** y = x W^T + scale (x A^T) B^T */
export function loraForward(
  x: Float64Array,
  { weight, a, b }: LoraWeights,
  { T, K, N, rank, scale }: LoraShape,
): Float64Array {
  const low = times(scale, matmulForward(x, a, { T, K, N: rank }));
  const base = matmulForward(x, weight, { T, K, N });
  return matmulForward(low, b, { T, K: rank, N }, base);
}

/** From dy [T, N]: dx = dy W + scale (dy B) A, dA = scale (dy B)^T x, dB = scale dy^T (x A^T). */
export function loraBackward(
  dy: Float64Array,
  x: Float64Array,
  { weight, a, b }: LoraWeights,
  { T, K, N, rank, scale }: LoraShape,
): { dx: Float64Array; da: Float64Array; db: Float64Array } {
  const low = times(scale, matmulForward(x, a, { T, K, N: rank }));
  const dLow = times(scale, matmulBackwardInput(dy, b, { T, K: rank, N }));
  const base = matmulBackwardInput(dy, weight, { T, K, N });
  return {
    dx: matmulBackwardInput(dLow, a, { T, K, N: rank }, base),
    da: matmulBackwardWeight(dLow, x, { T, K, N: rank }),
    db: matmulBackwardWeight(dy, low, { T, K: rank, N }),
  };
}

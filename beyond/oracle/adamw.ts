/** Gradient-norm clipping and AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) as in PyTorch. */
import { norm } from "./compare.ts";

export interface AdamwSettings {
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
}

export interface AdamwState {
  parameters: Float64Array;
  /** First moment m. */
  first: Float64Array;
  /** Second moment v. */
  second: Float64Array;
}

/**
 * One step (step = 1 for the first):
 * p -= lr wd p;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;
 * p -= lr (m / (1 - b1^step)) / (sqrt(v / (1 - b2^step)) + eps)
 */
export function adamwStep(
  { parameters, first, second }: AdamwState,
  gradient: Float64Array,
  step: number,
  { learningRate, beta1, beta2, epsilon, weightDecay }: AdamwSettings,
): AdamwState {
  const m = first.map((value, i) => beta1 * value + (1 - beta1) * gradient[i]);
  const v = second.map((value, i) => beta2 * value + (1 - beta2) * gradient[i] ** 2);
  const p = parameters.map((value, i) => {
    const mHat = m[i] / (1 - beta1 ** step);
    const vHat = v[i] / (1 - beta2 ** step);
    return (
      value -
      learningRate * weightDecay * value -
      (learningRate * mHat) / (Math.sqrt(vHat) + epsilon)
    );
  });
  return { parameters: p, first: m, second: v };
}

/** Norm of all gradients taken as one vector: sqrt(sum of squares). */
export function globalNorm(gradients: Iterable<Float64Array>): number {
  return Math.hypot(...Array.from(gradients, norm));
}

/** The factor clipping multiplies every gradient by: min(1, maxNorm / (norm + 1e-6)), as PyTorch. */
export function clipFactor(gradientNorm: number, maxNorm: number): number {
  return Math.min(1, maxNorm / (gradientNorm + 1e-6));
}

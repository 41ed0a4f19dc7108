/**
 * Gradients in f16, for `--gradient-dtype f16`: half the bytes, and other bits than f32. Gradients are small and f16
 * ends at 2^-24, so each vector is scaled by a power of two that brings its largest number to between 2^14 and
 * 2^15; the exponent travels beside it. The sum of shards is made in float32 and scaled by what no sum of
 * theirs can exceed, so that its exponent is known before the sum is.
 */

/** How gradients travel. */
export const GRADIENT_DTYPES = ["f32", "f16"] as const;
export type GradientDtype = (typeof GRADIENT_DTYPES)[number];

/** e with 2^14 <= 2^e max |g| < 2^15; 0 where all are zero or one is not finite, which f16 says as well. */
export function exponentOf(slabs: readonly Float32Array[]): number {
  let most = 0;
  for (const slab of slabs) {
    for (const value of slab) {
      if (Math.abs(value) <= most) continue;
      most = Math.abs(value);
      if (!Number.isFinite(most)) return 0;
    }
  }
  // 2^e and 2^-e are themselves numbers of float32
  return most === 0 ? 0 : Math.min(126, 14 - Math.floor(Math.log2(most)));
}

/** Of the sum of vectors that have these. */
export function sumExponent(exponents: readonly number[]): number {
  return Math.min(...exponents) - Math.ceil(Math.log2(exponents.length));
}

/** 2^e g, rounded to f16. */
export function toHalves(slab: Float32Array, exponent: number): Float16Array<ArrayBuffer> {
  const scale = 2 ** exponent;
  return Float16Array.from(slab, (value) => value * scale);
}

/** 2^-e h. */
export function fromHalves(halves: Float16Array, exponent: number): Float32Array<ArrayBuffer> {
  const scale = 2 ** -exponent;
  return Float32Array.from(halves, (value) => value * scale);
}

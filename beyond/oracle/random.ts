import { Random as Generator } from "../../lib/random.ts";

/**
 * Seeded test data. Every float is exactly representable in f32, so that the float64 oracle and the
 * f32 kernel are given the same numbers and differ by the kernel's rounding alone.
 */
export class Random extends Generator {
  /** Uniform integers in [0, end). */
  integers(length: number, end: number): Uint32Array {
    return Uint32Array.from({ length }, () => this.int(end));
  }

  /** Normal numbers with mean `mean` and standard deviation `scale` (Box-Muller), f32-exact. */
  normal(length: number, scale = 1, mean = 0): Float64Array {
    return Float64Array.from({ length }, () => {
      const radius = Math.sqrt(-2 * Math.log(1 - this.float()));
      return Math.fround(mean + scale * radius * Math.cos(2 * Math.PI * this.float()));
    });
  }
}

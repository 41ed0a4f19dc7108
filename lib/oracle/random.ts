/**
 * Seeded test data. Every float is exactly representable in f32, so that the float64 oracle and the
 * f32 kernel are given the same numbers and differ by the kernel's rounding alone.
 */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** Uniform u32 (mulberry32, public domain, Tommy Ettinger). */
  u32(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let z = this.state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return (z ^ (z >>> 14)) >>> 0;
  }

  /** Uniform in (0, 1). */
  uniform(): number {
    return (this.u32() + 0.5) / 2 ** 32;
  }

  /** Uniform integer in [0, end). */
  integer(end: number): number {
    return Math.floor(this.uniform() * end);
  }

  integers(length: number, end: number): Uint32Array {
    return Uint32Array.from({ length }, () => this.integer(end));
  }

  /** Normal numbers with mean `mean` and standard deviation `scale` (Box-Muller), f32-exact. */
  normal(length: number, scale = 1, mean = 0): Float64Array {
    return Float64Array.from({ length }, () => {
      const radius = Math.sqrt(-2 * Math.log(this.uniform()));
      return Math.fround(mean + scale * radius * Math.cos(2 * Math.PI * this.uniform()));
    });
  }
}

/** The f32 copy of an oracle's array, to upload. */
export function toFloat32(array: Float64Array): Float32Array<ArrayBuffer> {
  return Float32Array.from(array);
}

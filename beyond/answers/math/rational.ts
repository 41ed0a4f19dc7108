/** Exact fractions in lowest terms with a positive denominator. */
export type Rational = readonly [p: bigint, q: bigint];

export const ZERO: Rational = [0n, 1n];
export const ONE: Rational = [1n, 1n];

/** Thrown when something is too large, too deep or too long to be computed: it is no answer then. */
export class TooMuch extends Error {}

/** Numbers of more bits than this are not computed with. */
const MAX_BITS = 8192;

const abs = (n: bigint) => (n < 0n ? -n : n);

export function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [abs(a), abs(b)];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}

/** p/q in lowest terms; q must not be 0. */
export function rational(p: bigint, q = 1n): Rational {
  const d = gcd(p, q) * (q < 0n ? -1n : 1n);
  return d === 1n ? [p, q] : [p / d, q / d];
}

export function plus([a, b]: Rational, [c, d]: Rational): Rational {
  return b === 1n && d === 1n ? [a + c, 1n] : bounded(rational(a * d + c * b, b * d));
}

export function times([a, b]: Rational, [c, d]: Rational): Rational {
  return bounded(b === 1n && d === 1n ? [a * c, 1n] : rational(a * c, b * d));
}

export const negated = ([p, q]: Rational): Rational => [-p, q];
export const isInteger = ([, q]: Rational): boolean => q === 1n;
export const toNumber = ([p, q]: Rational): number => {
  const value = Number(p) / Number(q);
  if (Number.isFinite(value)) return value;
  // Both are beyond the range of doubles: the leading digits are enough.
  const shift = BigInt(Math.max(p.toString(2).length, q.toString(2).length) - 900);
  return Number(p >> shift) / Number(q >> shift);
};

/** The fraction to an integer power, 0 to a negative one excepted. */
export function power([p, q]: Rational, n: bigint): Rational {
  const bits = Math.max(p.toString(2).length, q.toString(2).length);
  if (bits * Number(abs(n)) > 2 * MAX_BITS && abs(p) !== q) throw new TooMuch("a power");
  const [a, b] = n < 0n ? (p < 0n ? [-q, -p] : [q, p]) : [p, q];
  if (abs(p) === q) return [n % 2n === 0n ? 1n : a, 1n];
  return [a ** abs(n), b ** abs(n)];
}

function bounded(value: Rational): Rational {
  const limit = 1n << BigInt(4 * MAX_BITS);
  if (abs(value[0]) > limit || value[1] > limit) throw new TooMuch("a number");
  return value;
}

export const format = ([p, q]: Rational): string => (q === 1n ? `${p}` : `${p}/${q}`);

/**
 * The prime factors of n > 0 below 100,000, and what is left over as one more "prime" base, reduced
 * to its smallest root. Equal numbers have equal factors, which is all that is needed of it.
 */
export function factors(n: bigint): Map<bigint, number> {
  const found = new Map<bigint, number>();
  let rest = n;
  const take = (p: bigint) => {
    while (rest % p === 0n) {
      rest /= p;
      found.set(p, (found.get(p) ?? 0) + 1);
    }
  };
  take(2n);
  for (let p = 3n; p * p <= rest && p < 100_000n; p += 2n) take(p);
  if (rest > 1n) {
    let times = 1;
    for (let root = squareRoot(rest); root !== null; root = squareRoot(rest)) {
      rest = root;
      times *= 2;
    }
    found.set(rest, (found.get(rest) ?? 0) + times);
  }
  return found;
}

/** The square root of a whole number, or null if it is not whole. */
export function squareRoot(n: bigint): bigint | null {
  if (n < 0n) return null;
  if (n < 2n) return n;
  let x = 1n << BigInt((n.toString(2).length + 1) >> 1);
  for (;;) {
    const y = (x + n / x) >> 1n;
    if (y >= x) return x * x === n ? x : null;
    x = y;
  }
}

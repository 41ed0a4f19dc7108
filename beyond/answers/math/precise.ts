/** Complex numbers of 86 digits after the point, as whole multiples of 2^-288; arguments are not too large. */

/** Binary digits after the point. */
const BITS = 288n;
export const UNIT = 1n << BITS;
/** Values that are smaller, and not zero, are lost in rounding: there is no result then. */
const SMALLEST = UNIT >> 90n;
/** Larger exponents are not raised to. */
const LARGEST = 150n * UNIT;

export interface Complex {
  re: bigint;
  im: bigint;
}
/** Thrown where a value is undefined, or out of the range in which it is told exactly. */
export class NoValue extends Error {}

export const real = (re: bigint): Complex => ({ re, im: 0n });
export const magnitude = (x: bigint) => (x < 0n ? -x : x);
export const sum = (a: Complex, b: Complex): Complex => ({ re: a.re + b.re, im: a.im + b.im });

export function fraction(p: bigint, q: bigint): bigint {
  const value = (p << BITS) / q;
  if (p !== 0n && magnitude(value) < SMALLEST) throw new NoValue();
  return value;
}

const times = (a: bigint, b: bigint) => (a * b) >> BITS;

export function product(a: Complex, b: Complex): Complex {
  if (a.im === 0n && b.im === 0n) return real(kept(times(a.re, b.re), a.re !== 0n && b.re !== 0n));
  return { re: times(a.re, b.re) - times(a.im, b.im), im: times(a.re, b.im) + times(a.im, b.re) };
}

function kept(value: bigint, isNotZero: boolean): bigint {
  if (isNotZero && magnitude(value) < SMALLEST) throw new NoValue();
  return value;
}

export function inverse(a: Complex): Complex {
  const size = times(a.re, a.re) + times(a.im, a.im);
  if (size < SMALLEST) throw new NoValue();
  const over = (x: bigint) => (x << BITS) / size;
  return a.im === 0n
    ? real(kept((UNIT << BITS) / a.re, true))
    : { re: over(a.re), im: over(-a.im) };
}

/** The square root of x >= 0. */
export function root(x: bigint): bigint {
  if (x === 0n) return 0n;
  const n = x << BITS;
  let guess = 1n << BigInt((n.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (guess + n / guess) >> 1n;
    if (next >= guess) return guess;
    guess = next;
  }
}

/** Sums term_k until terms vanish; `next` gives a term from the one before and k = 1, 2, ... */
function series(
  first: bigint,
  next: (term: bigint, k: bigint) => bigint,
  over = (_: bigint) => 1n,
) {
  let total = 0n;
  let term = first;
  for (let k = 1n; term !== 0n && term !== -1n; k++) {
    total += term / over(k - 1n);
    term = next(term, k);
  }
  return total;
}

const odd = (k: bigint) => 2n * k + 1n;
/** 2 artanh(y) = ln((1 + y)/(1 - y)). */
const artanh2 = (y: bigint) => 2n * series(y, (term) => times(term, times(y, y)), odd);
const LN2 = artanh2(UNIT / 3n);

function arctanSeries(x: bigint): bigint {
  return series(x, (term) => -times(term, times(x, x)), odd);
}
export const PI = 16n * arctanSeries(UNIT / 5n) - 4n * arctanSeries(UNIT / 239n);

function exponential(x: bigint): bigint {
  if (magnitude(x) > LARGEST) throw new NoValue();
  const k = x / LN2;
  const rest = (x - k * LN2) >> 8n;
  let value = series(UNIT, (term, n) => times(term, rest) / n);
  for (let i = 0; i < 8; i++) value = times(value, value);
  return kept(k < 0n ? value >> -k : value << k, true);
}

/** The natural logarithm of x > 0. */
export function logarithm(x: bigint): bigint {
  if (x <= 0n) throw new NoValue();
  const k = BigInt(x.toString(2).length) - BITS;
  const m = k > 0n ? x >> k : x << -k;
  return artanh2(((m - UNIT) << BITS) / (m + UNIT)) + k * LN2;
}

export function cosineAndSine(x: bigint): [cos: bigint, sin: bigint] {
  if (magnitude(x) > UNIT << 60n) throw new NoValue();
  const turns = (2n * x + PI / 2n) / PI - (2n * x + PI / 2n < 0n ? 1n : 0n);
  const rest = x - (turns * PI) / 2n;
  const square = times(rest, rest);
  const cos = series(UNIT, (term, k) => -times(term, square) / ((2n * k - 1n) * 2n * k));
  const sin = series(rest, (term, k) => -times(term, square) / (2n * k * (2n * k + 1n)));
  const turned = [
    [cos, sin],
    [-sin, cos],
    [-cos, -sin],
    [sin, -cos],
  ];
  return turned[Number(((turns % 4n) + 4n) % 4n)] as [bigint, bigint];
}

export function arctan(x: bigint): bigint {
  if (magnitude(x) > UNIT) return (x < 0n ? -PI : PI) / 2n - arctan((UNIT << BITS) / x);
  let y = x;
  for (let i = 0; i < 6; i++) y = (y << BITS) / (UNIT + root(UNIT + times(y, y)));
  return 64n * arctanSeries(y);
}

/** The angle of a complex number other than 0. */
export function angle({ re, im }: Complex): bigint {
  if (re === 0n && im === 0n) throw new NoValue();
  if (re === 0n) return (im < 0n ? -PI : PI) / 2n;
  const direction = arctan((im << BITS) / re);
  return re > 0n ? direction : direction + (im < 0n ? -PI : PI);
}

export function complexExponential({ re, im }: Complex): Complex {
  const size = exponential(re);
  if (im === 0n) return real(size);
  const [cos, sin] = cosineAndSine(im);
  return { re: times(size, cos), im: times(size, sin) };
}

export function complexLogarithm(x: Complex): Complex {
  if (x.im === 0n && x.re > 0n) return real(logarithm(x.re));
  const square = times(x.re, x.re) + times(x.im, x.im);
  return { re: logarithm(square) >> 1n, im: angle(x) };
}

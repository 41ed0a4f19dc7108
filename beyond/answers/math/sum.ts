/**
 * Exact algebra in one normal form: a sum of terms, each a fraction times powers of *atoms*. An atom is
 * a prime (for radicals: 12^(1/2) = 2 * 3^(1/2)), a symbol, or something left as it is: `sin(x)`,
 * `(x + 1)` under a root or in a denominator, `2^x`. Equal sums have equal keys for polynomials,
 * radicals, complex numbers and logarithms; for the rest, equal keys still mean equal values.
 */
import {
  format,
  gcd,
  isInteger,
  negated,
  ONE,
  plus,
  power,
  factors as primeFactors,
  type Rational,
  rational,
  TooMuch,
  times,
  toNumber,
  ZERO,
} from "./rational.ts";

export interface Atom {
  /** As it is printed; atoms with equal keys are equal. */
  key: string;
  /** The sum that stands in parentheses, for such an atom. */
  base?: Sum;
  /** For `b^u` with a symbolic exponent: how a multiple of u is printed. */
  exponent?: Term;
}
export interface Factor {
  atom: Atom;
  exp: Rational;
}
export interface Term {
  coef: Rational;
  /** Sorted by key. */
  factors: Factor[];
}
/** Terms by the key of their factors. The empty sum is 0. */
export type Sum = ReadonlyMap<string, Term>;

/** Term products left before an expression counts as too much. */
let fuel = 0;
/** Sets the work one answer may cost. */
export function refuel(products = 20_000): void {
  fuel = products;
}

export const PRIME = /^\d+$/;

const keyOf = (list: readonly Factor[]) =>
  list.map(({ atom, exp }) => `${atom.key}^${format(exp)}`).join("*");

export function sumOf(terms: readonly Term[]): Sum {
  const sum = new Map<string, Term>();
  for (const term of terms) {
    const key = keyOf(term.factors);
    const coef = plus(sum.get(key)?.coef ?? ZERO, term.coef);
    if (coef[0] === 0n) sum.delete(key);
    else sum.set(key, { coef, factors: term.factors });
  }
  return sum;
}

export const constant = (value: Rational): Sum => sumOf([{ coef: value, factors: [] }]);
export const atom = (key: string): Sum =>
  sumOf([{ coef: ONE, factors: [{ atom: { key }, exp: ONE }] }]);
export const I = "i";
export const add = (...sums: Sum[]): Sum => sumOf(sums.flatMap((sum) => [...sum.values()]));
export const scale = (sum: Sum, by: Rational): Sum => multiply(sum, constant(by));

/** i becomes -i; the rest must be real. */
export const conjugate = (sum: Sum): Sum =>
  sumOf(
    [...sum.values()].map(({ coef, factors }) => ({
      coef: factors.some(({ atom: { key } }) => key === I) ? negated(coef) : coef,
      factors,
    })),
  );

/** The value of a sum that is a plain fraction, or null. */
export function asRational(sum: Sum): Rational | null {
  if (sum.size === 0) return ZERO;
  return sum.size === 1 ? (sum.get("")?.coef ?? null) : null;
}

export function multiply(a: Sum, b: Sum): Sum {
  fuel -= a.size * b.size;
  if (fuel < 0) throw new TooMuch("an expansion");
  const products: Sum[] = [];
  for (const x of a.values()) for (const y of b.values()) products.push(termProduct(x, y));
  return products.length === 1 ? products[0] : add(...products);
}

function termProduct(a: Term, b: Term): Sum {
  const merged = new Map(a.factors.map((factor) => [factor.atom.key, factor]));
  for (const { atom, exp } of b.factors) {
    const before = merged.get(atom.key);
    merged.set(atom.key, { atom, exp: before ? plus(before.exp, exp) : exp });
  }
  return tidy(times(a.coef, b.coef), [...merged.values()]);
}

/** Whole powers of primes join the fraction, i^2 is -1, whole powers of sums are multiplied out. */
export function tidy(coef: Rational, list: readonly Factor[]): Sum {
  if (isLong(coef, list)) return longTerm(coef, list);
  let c = coef;
  const kept: Factor[] = [];
  let expanded: Sum | null = null;
  for (const { atom, exp } of list) {
    const whole = floor(exp);
    const part = plus(exp, [-whole, 1n]);
    if (PRIME.test(atom.key)) {
      c = times(c, power([BigInt(atom.key), 1n], whole));
      if (part[0] !== 0n) kept.push({ atom, exp: part });
    } else if (atom.key === I && isInteger(exp)) {
      const turn = ((whole % 4n) + 4n) % 4n;
      if (turn >= 2n) c = negated(c);
      if (turn % 2n === 1n) kept.push({ atom, exp: ONE });
    } else if (atom.base && whole > 0n && whole <= 12n) {
      for (let n = 0n; n < whole; n++)
        expanded = expanded ? multiply(expanded, atom.base) : atom.base;
      if (part[0] !== 0n) kept.push({ atom, exp: part });
    } else if (exp[0] !== 0n) kept.push({ atom, exp });
  }
  kept.sort((x, y) => (x.atom.key < y.atom.key ? -1 : 1));
  const sum = sumOf([{ coef: c, factors: kept }]);
  return expanded ? multiply(sum, expanded) : sum;
}

/** A fraction of more bits than this, 950 digits, is left in powers of primes. */
export const LONG_BITS = 3156;
const log2 = (n: bigint): number => {
  const size = Math.abs(Number(n));
  return Number.isFinite(size) ? Math.log2(size || 1) : n.toString(2).length;
};

/** May the fraction of a term be long? Its primes may cancel yet. */
function isLong(coef: Rational, list: readonly Factor[]): boolean {
  let bits = log2(coef[0]) + log2(coef[1]);
  for (const { atom, exp } of list) {
    const isPower = PRIME.test(atom.key) && (exp[0] > exp[1] || exp[0] < -exp[1]);
    if (isPower) bits += log2(BigInt(atom.key)) * Math.abs(toNumber(exp));
  }
  return bits > LONG_BITS;
}

/** The term with all of its fraction in powers of primes, so that 4^2475 and 2^4950 are one; in digits if they are few. */
function longTerm(coef: Rational, list: readonly Factor[]): Sum {
  fuel -= 500;
  if (fuel < 0) throw new TooMuch("a long number");
  const powers = new Map<string, Rational>();
  const raise = (prime: string, exp: Rational) =>
    powers.set(prime, plus(powers.get(prime) ?? ZERO, exp));
  const [p, q] = coef;
  for (const [prime, n] of primeFactors(p < 0n ? -p : p)) raise(`${prime}`, [BigInt(n), 1n]);
  for (const [prime, n] of primeFactors(q)) raise(`${prime}`, [BigInt(-n), 1n]);
  for (const { atom, exp } of list) if (PRIME.test(atom.key)) raise(atom.key, exp);
  let bits = 0;
  for (const [prime, exp] of powers) bits += log2(BigInt(prime)) * Math.abs(toNumber(exp));
  const inDigits = bits <= LONG_BITS;
  let c: Rational = p < 0n ? [-1n, 1n] : ONE;
  const kept: Factor[] = [];
  for (const [key, exp] of powers) {
    const whole = inDigits ? floor(exp) : 0n;
    c = times(c, power([BigInt(key), 1n], whole));
    const left = plus(exp, [-whole, 1n]);
    if (left[0] !== 0n) kept.push({ atom: { key }, exp: left });
  }
  const others = tidy(
    c,
    list.filter(({ atom }) => !PRIME.test(atom.key)),
  );
  return sumOf(
    [...others.values()].map(({ coef, factors }) => ({
      coef,
      factors: [...factors, ...kept].sort((x, y) => (x.atom.key < y.atom.key ? -1 : 1)),
    })),
  );
}

const floor = ([p, q]: Rational) => (p >= 0n ? p / q : -((-p + q - 1n) / q));

/** Splits off the greatest common factor of the coefficients; with `signed`, the first one is positive. */
export function withoutContent(sum: Sum, signed: boolean): [content: Rational, rest: Sum] {
  const terms = ordered(sum);
  let [p, q] = [0n, 1n];
  for (const { coef } of terms) {
    p = gcd(p, coef[0]);
    q = (q * coef[1]) / gcd(q, coef[1]);
  }
  if (signed && terms[0].coef[0] < 0n) p = -p;
  const content = rational(p, q);
  return [content, scale(sum, power(content, -1n))];
}

const degree = ({ factors: list }: Term) =>
  list.reduce((d, { atom, exp }) => d + (PRIME.test(atom.key) ? 0 : toNumber(exp)), 0);

/** Terms in the order of printing: highest degree first, then by name, so that x^2 + 2*x + 1. */
export function ordered(sum: Sum): Term[] {
  return [...sum]
    .map(([key, term]) => ({ key, term, d: degree(term) }))
    .sort((a, b) => b.d - a.d || (a.key < b.key ? -1 : 1))
    .map(({ term }) => term);
}

/** The key of a sum: readable, and read back by the parser as the same sum. */
export function print(sum: Sum): string {
  if (sum.size === 0) return "0";
  const text = ordered(sum).map(printTerm).join(" + ");
  return text.replaceAll(" + -", " - ");
}

export function printTerm({ coef, factors: list }: Term): string {
  const roots = new Map<string, bigint>();
  const parts: string[] = [];
  for (const { atom, exp } of list) {
    if (PRIME.test(atom.key) && exp[0] > 0n && exp[0] < exp[1]) {
      // primes under one root are printed together: 2^(1/2) * 3^(1/2) is sqrt(6)
      const index = `${exp[1]}`;
      roots.set(index, (roots.get(index) ?? 1n) * power([BigInt(atom.key), 1n], exp[0])[0]);
    } else if (atom.exponent) {
      const base = atom.key.slice(0, -printTerm(atom.exponent).length - 3);
      parts.push(`${base}^(${printTerm({ coef: exp, factors: atom.exponent.factors })})`);
    } else if (exp[0] === 1n && exp[1] === 1n) parts.push(atom.key);
    else parts.push(`${atom.key}^${isInteger(exp) && exp[0] > 0n ? exp[0] : `(${format(exp)})`}`);
  }
  const radicals = [...roots].map(([index, n]) =>
    index === "2" ? `sqrt(${n})` : `${n}^(1/${index})`,
  );
  const all = [...radicals, ...parts].join("*");
  if (all === "") return format(coef);
  if (coef[1] === 1n && (coef[0] === 1n || coef[0] === -1n)) return coef[0] < 0n ? `-${all}` : all;
  return `${format(coef)}*${all}`;
}

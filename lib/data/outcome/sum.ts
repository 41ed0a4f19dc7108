/**
 * Exact algebra in one normal form: a sum of terms, each a fraction times powers of *atoms*. An atom is
 * a prime (for radicals: 12^(1/2) = 2 * 3^(1/2)), a symbol, or something left as it is: `sin(x)`,
 * `(x + 1)` under a root or in a denominator, `2^x`. Equal sums have equal keys for polynomials,
 * radicals, complex numbers and logarithms; for the rest, equal keys still mean equal values.
 */
import {
  factors,
  format,
  gcd,
  isInteger,
  negated,
  ONE,
  plus,
  power,
  type Rational,
  rational,
  squareRoot,
  TooMuch,
  times,
  toNumber,
  ZERO,
} from "./rational.ts";

interface Atom {
  /** As it is printed; atoms with equal keys are equal. */
  key: string;
  /** The sum that stands in parentheses, for such an atom. */
  base?: Sum;
  /** For `b^u` with a symbolic exponent: how a multiple of u is printed. */
  exponent?: Term;
}
interface Factor {
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

const PRIME = /^\d+$/;
const POSITIVE = /^(?:\d+|pi|e)$/;

const keyOf = (list: readonly Factor[]) =>
  list.map(({ atom, exp }) => `${atom.key}^${format(exp)}`).join("*");

function sumOf(terms: readonly Term[]): Sum {
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
const I = "i";
export const add = (...sums: Sum[]): Sum => sumOf(sums.flatMap((sum) => [...sum.values()]));
export const scale = (sum: Sum, by: Rational): Sum => multiply(sum, constant(by));

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
function tidy(coef: Rational, list: readonly Factor[]): Sum {
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

const floor = ([p, q]: Rational) => (p >= 0n ? p / q : -((-p + q - 1n) / q));

/** a / b. Throws a RangeError when b is 0. */
export function divide(a: Sum, b: Sum): Sum {
  if (b.size === 1 || isSurd(b)) return multiply(a, raise(b, [-1n, 1n]));
  return exactQuotient(a, b) ?? multiply(a, raise(b, [-1n, 1n]));
}

/** Long division by the first term in the order of printing; null if anything remains. */
function exactQuotient(a: Sum, b: Sum): Sum | null {
  const lead = ordered(b)[0];
  let [rest, quotient]: [Sum, Sum] = [a, new Map()];
  for (let steps = 0; lead && steps < 40 && rest.size > 0 && rest.size < 60; steps++) {
    const next = raiseTerm(lead, [-1n, 1n]);
    const step = multiply(sumOf([ordered(rest)[0]]), next);
    if ([...step.values()].some((term) => term.factors.some(({ exp }) => exp[0] < 0n))) return null;
    quotient = add(quotient, step);
    rest = add(rest, scale(multiply(step, b), [-1n, 1n]));
  }
  return rest.size === 0 && b.size > 0 ? quotient : null;
}

/** Is this a number made of square roots and i alone? */
const isSurd = (sum: Sum) =>
  [...sum.values()].every(({ factors: list }) =>
    list.every(({ atom, exp }) => atom.key === I || (PRIME.test(atom.key) && exp[1] === 2n)),
  );

/** The sum to a rational power. Throws a RangeError for 0 to a power that is not positive. */
export function raise(sum: Sum, exp: Rational): Sum {
  if (sum.size === 0) {
    if (exp[0] <= 0n) throw new RangeError("a division by zero");
    return sum;
  }
  if (exp[0] === 0n) return constant(ONE);
  if (sum.size === 1) return raiseTerm(sum.values().next().value as Term, exp);
  if (isInteger(exp) && exp[0] > 0n && exp[0] <= 12n) {
    let result = sum;
    for (let n = 1n; n < exp[0]; n++) result = multiply(result, sum);
    return result;
  }
  if (isInteger(exp) && exp[0] < 0n && isSurd(sum)) return raise(surdInverse(sum), negated(exp));
  if (exp[0] === 1n && exp[1] === 2n) {
    const root = denested(sum);
    if (root) return root;
  }
  const [content, primitive] = withoutContent(sum, isInteger(exp));
  const base: Factor = { atom: { key: `(${print(primitive)})`, base: primitive }, exp };
  return multiply(raise(constant(content), exp), tidy(ONE, [base]));
}

function raiseTerm({ coef, factors: list }: Term, exp: Rational): Sum {
  let result = rationalPower(coef, exp);
  for (const { atom, exp: inner } of list) {
    const even = !isInteger(exp) && exp[1] % 2n === 0n && isInteger(inner) && inner[0] % 2n === 0n;
    const real = even && !POSITIVE.test(atom.key) && atom.key !== I;
    const base = real ? { key: `abs(${atom.key.replace(/^\((.*)\)$/, "$1")})` } : atom;
    result = multiply(result, tidy(ONE, [{ atom: base, exp: times(inner, exp) }]));
  }
  return result;
}

/** A fraction to a power, in primes. Odd roots of negative numbers are the real ones. */
function rationalPower(value: Rational, exp: Rational): Sum {
  if (isInteger(exp)) return constant(power(value, exp[0]));
  const list: Factor[] = [];
  const absolute: Rational = value[0] < 0n ? negated(value) : value;
  for (const [part, sign] of [
    [absolute[0], 1n],
    [absolute[1], -1n],
  ]) {
    for (const [prime, n] of factors(part)) {
      list.push({ atom: { key: `${prime}` }, exp: times([sign * BigInt(n), 1n], exp) });
    }
  }
  const positive = tidy(ONE, list);
  if (value[0] > 0n) return positive;
  if (exp[1] % 2n === 1n) return exp[0] % 2n === 0n ? positive : scale(positive, [-1n, 1n]);
  const turn = tidy(ONE, [{ atom: { key: I }, exp: times(exp, [2n, 1n]) }]);
  return multiply(positive, turn);
}

/** Removes the roots from a denominator one prime after another: 1/(a + b r) = (a - b r)/(a^2 - b^2 r^2). */
function surdInverse(sum: Sum): Sum {
  let [top, bottom]: [Sum, Sum] = [constant(ONE), sum];
  for (let rounds = 0; rounds < 12; rounds++) {
    const value = asRational(bottom);
    if (value) {
      if (value[0] === 0n) throw new RangeError("a division by zero");
      return scale(top, power(value, -1n));
    }
    const root = [...bottom.values()].flatMap((term) => term.factors)[0].atom.key;
    const conjugate = sumOf(
      [...bottom.values()].map(({ coef, factors: list }) => {
        const has = list.some(({ atom }) => atom.key === root);
        return { coef: has ? negated(coef) : coef, factors: list };
      }),
    );
    top = multiply(top, conjugate);
    bottom = multiply(bottom, conjugate);
  }
  throw new TooMuch("a denominator");
}

/** sqrt(a + b sqrt(c)) as a sum of two roots, where a^2 - b^2 c is a square; otherwise null. */
function denested(sum: Sum): Sum | null {
  const a = sum.get("")?.coef;
  const other = [...sum].find(([key]) => key !== "")?.[1];
  if (sum.size !== 2 || !a || !other || a[0] <= 0n || !isSurd(sum)) return null;
  if (other.factors.some(({ atom }) => atom.key === I)) return null;
  const square = asRational(raise(sumOf([other]), [2n, 1n])) as Rational;
  const [p, q] = plus(times(a, a), negated(square));
  const [rootP, rootQ] = [squareRoot(p), squareRoot(q)];
  if (rootP === null || rootQ === null) return null;
  const half = (r: Rational) => raise(constant(times(r, [1n, 2n])), [1n, 2n]);
  const d: Rational = [rootP, rootQ];
  const sign: Rational = other.coef[0] < 0n ? [-1n, 1n] : ONE;
  return add(half(plus(a, d)), scale(half(plus(a, negated(d))), sign));
}

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

/** base^exponent for an exponent with symbols in it, term by term: 2^(3x + 1) = 2 * (2^x)^3. */
export function raiseSymbolic(base: Sum, exponent: Sum): Sum {
  const single = base.size === 1 ? (base.values().next().value as Term) : null;
  const parts: [Atom, Rational][] = [];
  if (single && single.coef[0] > 0n) {
    for (const [n, sign] of [
      [single.coef[0], 1n],
      [single.coef[1], -1n],
    ]) {
      for (const [prime, times] of factors(n))
        parts.push([{ key: `${prime}` }, [sign * BigInt(times), 1n]]);
    }
    for (const { atom, exp } of single.factors) parts.push([atom, exp]);
  } else parts.push([{ key: `(${print(base)})` }, ONE]);
  let result = constant(ONE);
  for (const { coef, factors: unit } of exponent.values()) {
    if (unit.length === 0) {
      result = multiply(result, raise(base, coef));
      continue;
    }
    const term: Term = { coef: ONE, factors: unit };
    const isTurn = unit.length === 2 && unit[0].atom.key === I && unit[1].atom.key === "pi";
    for (const [atom, exp] of parts) {
      const c = times(coef, exp);
      const turns = times(c, [2n, 1n]);
      const simple = isTurn && atom.key === "e" && isInteger(turns) && isInteger(unit[1].exp);
      const next: Factor =
        simple && unit[1].exp[0] === 1n
          ? { atom: { key: I }, exp: turns }
          : { atom: { key: `${atom.key}^(${printTerm(term)})`, exponent: term }, exp: c };
      result = multiply(result, tidy(ONE, [next]));
    }
  }
  return result;
}

const degree = ({ factors: list }: Term) =>
  list.reduce((d, { atom, exp }) => d + (PRIME.test(atom.key) ? 0 : toNumber(exp)), 0);

/** Terms in the order of printing: highest degree first, then by name, so that x^2 + 2*x + 1. */
function ordered(sum: Sum): Term[] {
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

function printTerm({ coef, factors: list }: Term): string {
  const roots = new Map<string, bigint>();
  const parts: string[] = [];
  for (const { atom, exp } of list) {
    if (PRIME.test(atom.key)) {
      // primes under one root are printed together: 2^(1/2) * 3^(1/2) is sqrt(6)
      const index = `${exp[1]}`;
      roots.set(index, (roots.get(index) ?? 1n) * BigInt(atom.key) ** exp[0]);
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

/** Quotients and powers of sums: roots in simplest form, denominators without roots. */
import {
  factors,
  isInteger,
  negated,
  ONE,
  plus,
  power,
  type Rational,
  squareRoot,
  TooMuch,
  times,
  toNumber,
} from "./rational.ts";
import {
  type Atom,
  add,
  asRational,
  constant,
  type Factor,
  I,
  LONG_BITS,
  multiply,
  ordered,
  PRIME,
  print,
  printTerm,
  type Sum,
  scale,
  sumOf,
  type Term,
  tidy,
  withoutContent,
} from "./sum.ts";

const POSITIVE = /^(?:\d+|pi|e)$/;

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
  const bits = `${value[0]}${value[1]}`.length * 4 * Math.abs(toNumber(exp));
  const isUnit = value[1] === 1n && (value[0] === 1n || value[0] === -1n);
  if (isInteger(exp) && (isUnit || bits < LONG_BITS)) return constant(power(value, exp[0]));
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

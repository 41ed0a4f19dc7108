/** The value of an expression to 80 digits, its symbols taken at random points, negative ones included. */
import {
  angle,
  arctan,
  type Complex,
  complexExponential,
  complexLogarithm,
  cosineAndSine,
  fraction,
  inverse,
  logarithm,
  magnitude,
  NoValue,
  PI,
  product,
  real,
  root,
  sum,
  UNIT,
} from "./precise.ts";
import {
  isInteger,
  plus,
  type Rational,
  power as rationalPower,
  TooMuch,
  times,
} from "./rational.ts";
import type { Node } from "./tree.ts";

const TRIGONOMETRIC = /^(?:sin|cos|tan|cot|sec|csc)$/;

/** Null where the value is not defined, or not one number. `point` chooses the values of symbols. */
export function evaluate(value: Node, point: number): Complex | null {
  try {
    return compute(value, point, false);
  } catch (error) {
    if (error instanceof NoValue || error instanceof RangeError || error instanceof TooMuch)
      return null;
    throw error;
  }
}

/** How far from 0 symbols are at each point; at the first points they are positive. */
const REACH = [3n, 3n, 3n, 3n, 30n, 30n, 10_000n, 10_000n, 1_000_000_000n, 1_000_000_000n];
export const POINTS = REACH.length;
/** From this point on a value may be too large to be told. */
export const FAR_POINT = 6;
const POSITIVE_POINTS = 2;

/** Where a symbol is taken at a point: a fraction by its name, at one of two points in turn below zero. */
function sample(name: string, point: number): bigint {
  let [hash, side] = [0x9e3779b1 * (point + 1), 1];
  for (const c of name) {
    hash = Math.imul(hash ^ c.charCodeAt(0), 0x85ebca6b) ^ (hash >>> 13);
    side = Math.imul(side ^ c.charCodeAt(0), 0x85ebca6b) ^ (side >>> 15);
  }
  const size = (200_003n + BigInt((hash >>> 1) % 799_981)) * REACH[point];
  const negative = point >= POSITIVE_POINTS && ((side + point) & 1) === 1;
  return fraction(negative ? -size : size, 999_983n);
}

/** The fraction that a tree of numbers stands for; null for others. */
function rationalOf(value: Node): Rational | null {
  if (value.op === "number") return value.value;
  if (!("args" in value)) return null;
  const [a, b] = value.args.map(rationalOf);
  if (!a || !b || value.args.length !== 2) return null;
  if (value.op === "multiply") return times(a, b);
  if (value.op === "add") return plus(a, b);
  return value.op === "power" && isInteger(b) && (a[0] !== 0n || b[0] > 0n)
    ? rationalPower(a, b[0])
    : null;
}

function compute(value: Node, point: number, inAngle: boolean): Complex {
  if (value.op === "number") return real(fraction(...value.value));
  if (value.op === "symbol") {
    if (value.name === "pi") return real(PI);
    if (value.name === "e") return complexExponential(real(UNIT));
    if (value.name === "i") return { re: 0n, im: UNIT };
    if (value.name === "oo") throw new NoValue();
    return real(sample(value.name, point));
  }
  if (value.op === "text") throw new NoValue();
  const isAngle = inAngle || TRIGONOMETRIC.test(value.name);
  const of = (part: Node) => compute(part, point, isAngle);
  if (value.op === "add") return value.args.map(of).reduce(sum);
  if (value.op === "multiply") return value.args.map(of).reduce(product);
  if (value.op === "power") return power(of(value.args[0]), value.args[1], of);
  if (value.op === "call") return apply(value.name, value.args.map(of), inAngle, point);
  throw new NoValue();
}

function power(base: Complex, exponent: Node, of: (part: Node) => Complex): Complex {
  const exact = rationalOf(exponent);
  if (exact && isInteger(exact)) return wholePower(base, exact[0]);
  if (base.re === 0n && base.im === 0n) throw new NoValue();
  if (exact && exact[1] % 2n === 1n && base.im === 0n && base.re < 0n) {
    // an odd root of a negative number is the real one, as in the exact algebra
    const size = power(real(-base.re), exponent, of);
    return exact[0] % 2n === 0n ? size : real(-size.re);
  }
  if (exact && exact[1] === 2n) return wholePower(squareRoot(base), exact[0]);
  return complexExponential(product(of(exponent), complexLogarithm(base)));
}

function squareRoot(x: Complex): Complex {
  if (x.im === 0n) return x.re < 0n ? { re: 0n, im: root(-x.re) } : real(root(x.re));
  return complexExponential(product(real(UNIT / 2n), complexLogarithm(x)));
}

function wholePower(base: Complex, n: bigint): Complex {
  if (n < 0n) return inverse(wholePower(base, -n));
  if (n > 10_000n) throw new NoValue();
  let [result, square] = [real(UNIT), base];
  for (let rest = n; rest > 0n; rest >>= 1n) {
    if (magnitude(square.re) > UNIT << 2000n) throw new NoValue();
    if (rest & 1n) result = product(result, square);
    if (rest > 1n) square = product(square, square);
  }
  // beside it a number would be lost: pi^400 and pi^400 + 1
  if (magnitude(result.re) > UNIT << 160n) throw new NoValue();
  return result;
}

function apply(name: string, args: Complex[], inAngle: boolean, point: number): Complex {
  const [x, y] = args;
  if (name === "degrees") return inAngle ? product(x, real(PI / 180n)) : x;
  if (name === "sqrt") return squareRoot(x);
  if (name === "exp") return complexExponential(x);
  if (name === "abs" && x.im !== 0n) return real(root(product(x, { ...x, im: -x.im }).re));
  if (name === "ln") return complexLogarithm(x);
  if (name === "log") {
    const base = y ? complexLogarithm(y) : real(logarithm(10n * UNIT));
    return product(complexLogarithm(x), inverse(base));
  }
  if (args.some(({ im }) => im !== 0n)) throw new NoValue();
  const f = REAL[name];
  if (f) return real(f(x.re, y?.re ?? 0n));
  return unknownFunction(name, args, point);
}

/** Some function, the same one for the same name: f(-x) and -f(x) are different numbers. */
function unknownFunction(name: string, args: Complex[], point: number): Complex {
  let at = sample(name, point % FAR_POINT);
  for (const [i, { re }] of args.entries()) {
    at += product(real(re), real(sample(`${name} ${i}`, point % POSITIVE_POINTS))).re;
  }
  const [cos, sin] = cosineAndSine(at);
  return real(2n * cos + sin / 3n + UNIT / 7n);
}

const divide = (a: bigint, b: bigint) => product(real(a), inverse(real(b))).re;
const sin = (x: bigint) => cosineAndSine(x)[1];
const cos = (x: bigint) => cosineAndSine(x)[0];
const exp = (x: bigint) => complexExponential(real(x)).re;

function arcsin(x: bigint): bigint {
  if (magnitude(x) > UNIT) throw new NoValue();
  return angle({ re: root(UNIT - product(real(x), real(x)).re), im: x });
}

const REAL: Record<string, ((x: bigint, y: bigint) => bigint) | undefined> = {
  sin,
  cos,
  tan: (x) => divide(sin(x), cos(x)),
  cot: (x) => divide(cos(x), sin(x)),
  sec: (x) => divide(UNIT, cos(x)),
  csc: (x) => divide(UNIT, sin(x)),
  arcsin,
  arccos: (x) => PI / 2n - arcsin(x),
  arctan,
  sinh: (x) => (exp(x) - exp(-x)) / 2n,
  cosh: (x) => (exp(x) + exp(-x)) / 2n,
  tanh: (x) => divide(exp(x) - exp(-x), exp(x) + exp(-x)),
  abs: magnitude,
  // what is not exactly whole is not near a whole number either
  floor: (x) => floor(x),
  ceil: (x) => -floor(-x),
};

function floor(x: bigint): bigint {
  const part = x & (UNIT - 1n);
  const near = 1n << 64n;
  if (part < near || UNIT - part < near) throw new NoValue();
  return x - part;
}

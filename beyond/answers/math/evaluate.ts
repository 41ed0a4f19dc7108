/**
 * The value of an expression as a complex double, its symbols taken at fixed points. Keys whose values
 * differ are different; those that agree are worth an exact look.
 */

import { toNumber } from "./rational.ts";
import type { Node } from "./tree.ts";

export interface Complex {
  re: number;
  im: number;
}

const real = (re: number): Complex => ({ re, im: 0 });
const sum = (a: Complex, b: Complex) => ({ re: a.re + b.re, im: a.im + b.im });
const product = (a: Complex, b: Complex) => ({
  re: a.re * b.re - a.im * b.im,
  im: a.re * b.im + a.im * b.re,
});
const log = ({ re, im }: Complex) => ({ re: Math.log(Math.hypot(re, im)), im: Math.atan2(im, re) });
const exp = ({ re, im }: Complex) => {
  const size = Math.exp(re);
  return { re: size * Math.cos(im), im: im === 0 ? 0 : size * Math.sin(im) };
};

function quotient(a: Complex, b: Complex): Complex {
  const size = b.re * b.re + b.im * b.im;
  return product(a, { re: b.re / size, im: -b.im / size });
}

function power(base: Complex, exponent: Complex): Complex {
  if (exponent.im === 0 && base.im === 0) {
    const value = base.re ** exponent.re;
    if (!Number.isNaN(value)) return real(value);
    // an odd root of a negative number is the real one, as in the exact algebra
    const root = 1 / exponent.re;
    if (Math.abs(root - Math.round(root)) < 1e-9 && Math.round(root) % 2 !== 0) {
      return real(-((-base.re) ** exponent.re));
    }
  }
  if (base.re === 0 && base.im === 0) return real(exponent.re > 0 ? 0 : Number.NaN);
  return exp(product(exponent, log(base)));
}

const REAL: Record<string, ((x: number, y: number) => number) | undefined> = {
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  cot: (x) => 1 / Math.tan(x),
  sec: (x) => 1 / Math.cos(x),
  csc: (x) => 1 / Math.sin(x),
  arcsin: Math.asin,
  arccos: Math.acos,
  arctan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  floor: (x) => Math.floor(x + 1e-9),
  ceil: (x) => Math.ceil(x - 1e-9),
  degrees: (x) => x,
  factorial: (x) => gamma(x + 1),
  binom: (n, k) => gamma(n + 1) / (gamma(k + 1) * gamma(n - k + 1)),
};

/** Where a symbol is evaluated: a number from its name and the point's, between 0.5 and 2.5. */
function sample(name: string, point: number): Complex {
  let hash = 0x9e3779b1 * (point + 1);
  for (const c of name) hash = Math.imul(hash ^ c.charCodeAt(0), 0x85ebca6b) ^ (hash >>> 13);
  return real(0.5 + ((hash >>> 0) % 999_983) / 499_991.5);
}

/** Null where the value is not defined, or not one number. `point` chooses the values of symbols. */
export function evaluate(value: Node, point: number, inAngle = false): Complex | null {
  const result = compute(value, point, inAngle);
  return result && Number.isFinite(result.re) && Number.isFinite(result.im) ? result : null;
}

function compute(value: Node, point: number, inAngle: boolean): Complex | null {
  if (value.op === "number") return real(toNumber(value.value));
  if (value.op === "symbol") {
    if (value.name === "pi") return real(Math.PI);
    if (value.name === "e") return real(Math.E);
    if (value.name === "i") return { re: 0, im: 1 };
    return value.name === "oo" ? null : sample(value.name, point);
  }
  if (value.op === "text") return null;
  if (value.op === "multiply" && value.args[1].op === "power") {
    // a / b is divided, not multiplied by a rounded inverse
    const [base, exponent] = value.args[1].args;
    if (exponent.op === "number" && exponent.value[0] === -1n && exponent.value[1] === 1n) {
      const [a, b] = [value.args[0], base].map((part) => compute(part, point, inAngle));
      return a && b && quotient(a, b);
    }
  }
  const isAngle = inAngle || /^(?:sin|cos|tan|cot|sec|csc)$/.test(value.name);
  const args = value.args.map((arg) => compute(arg, point, isAngle));
  if (args.some((arg) => arg === null)) return null;
  const [x, y] = args as Complex[];
  if (value.op === "add") return (args as Complex[]).reduce(sum);
  if (value.op === "multiply") return product(x, y);
  if (value.op === "power") return power(x, y);
  return value.op === "call" ? apply(value.name, x, y, inAngle) : null;
}

function apply(name: string, x: Complex, y: Complex | undefined, inAngle: boolean): Complex | null {
  if (name === "degrees" && inAngle) return product(x, real(Math.PI / 180));
  if (name === "sqrt") return power(x, real(0.5));
  if (name === "exp") return exp(x);
  if (name === "abs") return real(Math.hypot(x.re, x.im));
  if (name === "ln") return log(x);
  if (name === "log") return quotient(log(x), y ? log(y) : real(Math.LN10));
  const f = REAL[name];
  return f && x.im === 0 ? real(f(x.re, y?.re ?? 0)) : null;
}

/** Gamma(n) of a whole number up to 171; other values are left undefined. */
function gamma(n: number): number {
  if (n < 1 || n > 171 || n !== Math.floor(n)) return Number.NaN;
  let result = 1;
  for (let k = 2; k < n; k++) result *= k;
  return result;
}

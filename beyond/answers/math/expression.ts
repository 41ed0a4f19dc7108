/** From the tree of an expression to the sum it is equal to: numbers, symbols, functions, logarithms. */
import { evaluate } from "./evaluate.ts";
import { divide, raise, raiseSymbolic } from "./powers.ts";
import { magnitude, UNIT } from "./precise.ts";
import { factors, gcd, isInteger, negated, ONE, type Rational } from "./rational.ts";
import {
  add,
  asRational,
  atom,
  conjugate,
  constant,
  multiply,
  print,
  type Sum,
  scale,
  withoutContent,
} from "./sum.ts";
import { type Node, NotMath } from "./tree.ts";

export const MINUS: Rational = [-1n, 1n];

const CONSTANTS = new Set(["pi", "e", "i", "oo"]);
export function hasSymbols(value: Node): boolean {
  if (value.op === "symbol") return !CONSTANTS.has(value.name);
  return "args" in value && value.args.some(hasSymbols);
}

const TRIGONOMETRIC = /^(?:sin|cos|tan|cot|sec|csc)$/;

/** The sum that an expression is equal to. */
export function algebra(value: Node, inAngle = false): Sum {
  const of = (part: Node) => algebra(part, inAngle);
  switch (value.op) {
    case "number":
      return constant(value.value);
    case "symbol":
      return atom(value.name);
    case "add":
      return add(...value.args.map(of));
    case "multiply": {
      const [a, b] = value.args;
      if (b.op === "power" && b.args[1].op === "number" && b.args[1].value[0] === -1n) {
        return divide(of(a), of(b.args[0]));
      }
      return multiply(of(a), of(b));
    }
    case "power":
      return powerOf(of(value.args[0]), of(value.args[1]));
    case "call":
      return call(value.name, value.args, inAngle);
    default:
      throw new NotMath(`a ${value.op} within an expression`);
  }
}

function powerOf(base: Sum, exponent: Sum): Sum {
  const exp = asRational(exponent);
  return exp ? raise(base, exp) : raiseSymbolic(base, exponent);
}

function call(name: string, args: readonly Node[], inAngle: boolean): Sum {
  const isAngle = TRIGONOMETRIC.test(name);
  if (name === "degrees") {
    const value = algebra(args[0], inAngle);
    return inAngle ? multiply(value, scale(atom("pi"), [1n, 180n])) : value;
  }
  if (args[0]?.op === "matrix") {
    if (name !== "det") throw new NotMath(name);
    return determinant(
      args[0].args.map((row) => ("args" in row ? row.args : [row]).map((entry) => algebra(entry))),
    );
  }
  if (name === "cis") {
    const [cos, sin] = ["cos", "sin"].map((part) => call(part, args, inAngle));
    return add(cos, multiply(atom("i"), sin));
  }
  const values = args.map((arg) => algebra(arg, isAngle));
  const [x, y] = values;
  const numbers = values.map(asRational);
  if (name === "sqrt" && values.length === 1) return raise(x, [1n, 2n]);
  if (name === "exp" && values.length === 1) return powerOf(atom("e"), x);
  if (name === "ln" && values.length === 1) return logarithm("ln", x);
  if (name === "log")
    return y ? divide(logarithm("ln", x), logarithm("ln", y)) : logarithm("log", x);
  if (name === "abs" && values.length === 1) return absolute(x, args[0]);
  if (name === "overline" && !hasSymbols(args[0])) return conjugate(x);
  if (/^(?:gcd|lcm|max|min)$/.test(name) && numbers.every((n) => n !== null)) {
    return constant(amongNumbers(name, numbers as Rational[]));
  }
  if (numbers.every((n) => n !== null && isInteger(n) && n[0] >= 0n)) {
    const [n, k] = numbers.map((value) => Number((value as Rational)[0]));
    if (name === "factorial" && n <= 440) return constant([product(1, n), 1n]);
    if (name === "binom" && n <= 500 && k <= n) {
      return constant([product(n - k + 1, n) / product(1, k), 1n]);
    }
  }
  if (name === "binom" && !numbers[0] && numbers[1] && isInteger(numbers[1])) {
    const k = Number(numbers[1][0]);
    if (k >= 1 && k <= 6) return symbolicBinomial(x, k);
  }
  if ((name === "floor" || name === "ceil") && numbers[0]) {
    const [p, q] = name === "floor" ? numbers[0] : negated(numbers[0]);
    const down = p >= 0n ? p / q : -((-p + q - 1n) / q);
    return constant([name === "floor" ? down : -down, 1n]);
  }
  const [inner, sign] = isAngle || name.startsWith("arc") ? parity(name, x) : [x, ONE];
  const printed = [inner, ...values.slice(1)].map(print).join(",");
  return scale(atom(`${name}(${printed})`), sign);
}

/** sin(-x) = -sin(x) and cos(-x) = cos(x): the argument's first coefficient is made positive. */
function parity(name: string, x: Sum): [Sum, Rational] {
  if (x.size === 0 || !print(x).startsWith("-")) return [x, ONE];
  if (name === "arccos") return [x, ONE];
  return [scale(x, MINUS), name === "cos" || name === "sec" ? ONE : MINUS];
}

/** Logarithms of fractions in those of primes, of powers of e as the exponent. */
function logarithm(name: string, x: Sum): Sum {
  const value = asRational(x);
  if (value && value[0] <= 0n) throw new RangeError("a logarithm of no positive number");
  const [term] = x.size === 1 ? x.values() : [];
  const simple =
    term && term.coef[0] > 0n && term.factors.every(({ atom }) => /^(?:\d+|e)$/.test(atom.key));
  if (!simple) return atom(`${name}(${print(x)})`);
  const parts: Sum[] = [];
  for (const [n, sign] of [
    [term.coef[0], 1n],
    [term.coef[1], -1n],
  ]) {
    for (const [prime, times] of factors(n)) {
      parts.push(scale(atom(`${name}(${prime})`), [sign * BigInt(times), 1n]));
    }
  }
  for (const {
    atom: { key },
    exp,
  } of term.factors) {
    if (key === "e" && name === "ln") parts.push(constant(exp));
    else parts.push(scale(atom(`${name}(${key})`), exp));
  }
  return add(...parts);
}

function absolute(x: Sum, source: Node): Sum {
  const value = asRational(x);
  if (value) return constant(value[0] < 0n ? negated(value) : value);
  if (!hasSymbols(source)) {
    const number = evaluate(source, 0);
    if (number && number.im === 0n && magnitude(number.re) > UNIT >> 200n) {
      return number.re < 0n ? scale(x, MINUS) : x;
    }
  }
  const [content, rest] = withoutContent(x, true);
  const positive = content[0] < 0n ? negated(content) : content;
  return scale(atom(`abs(${print(rest)})`), positive);
}

function product(from: number, to: number): bigint {
  let result = 1n;
  for (let n = from; n <= to; n++) result *= BigInt(n);
  return result;
}

/** x (x - 1) ... (x - k + 1) / k! */
function symbolicBinomial(x: Sum, k: number): Sum {
  let result = constant([1n, product(1, k)]);
  for (let i = 0; i < k; i++) result = multiply(result, add(x, constant([BigInt(-i), 1n])));
  return result;
}

/** By cofactors of the first row; small matrices only. */
function determinant(rows: readonly Sum[][]): Sum {
  if (rows.length > 4 || rows.some((row) => row.length !== rows.length)) throw new NotMath("det");
  if (rows.length === 1) return rows[0][0];
  const [first, ...rest] = rows;
  return add(
    ...first.map((entry, column) => {
      const minor = rest.map((row) => row.filter((_, c) => c !== column));
      return scale(multiply(entry, determinant(minor)), [column % 2 === 0 ? 1n : -1n, 1n]);
    }),
  );
}

/** gcd and lcm of whole numbers, max and min of any. */
function amongNumbers(name: string, numbers: readonly Rational[]): Rational {
  const difference = ([a, b]: Rational, [c, d]: Rational) => a * d - c * b;
  if (name === "max") return numbers.reduce((x, y) => (difference(x, y) < 0n ? y : x));
  if (name === "min") return numbers.reduce((x, y) => (difference(x, y) > 0n ? y : x));
  if (!numbers.every(isInteger)) throw new NotMath(name);
  const all = numbers.map(([n]) => (n < 0n ? -n : n));
  const lcm = (a: bigint, b: bigint) => (a === 0n || b === 0n ? 0n : (a / gcd(a, b)) * b);
  return [all.reduce(name === "gcd" ? gcd : lcm), 1n];
}

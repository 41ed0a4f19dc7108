/**
 * Arithmetic that is left to do: 4 + 23 is no answer where 27 is asked for, and 3 * 5 * 31 is one where a
 * factorization is. Sums, products and powers of plain numbers are left as they are written, so that they
 * are outcomes of their own; closed forms (fractions, surds, powers of ten, e and pi, logarithms, binomials)
 * are final.
 */
import { format, isInteger } from "./rational.ts";
import type { Node } from "./tree.ts";

/** A power of so many digits is not multiplied out by anybody. */
const LONG = 15;

/** The number that a tree writes down as one: digits, a fraction, a mixed number, a percentage. */
const isLiteral = (value: Node): boolean =>
  value.op === "number" ||
  (isNegative(value) && isLiteral(value.args[1])) ||
  (value.op === "multiply" && /^(?:frac|\/|%)$/.test(value.name) && isQuotientOfLiterals(value)) ||
  (value.op === "add" && value.name === "mixed");

const isNegative = (value: Node): value is Node & { op: "multiply" } =>
  value.op === "multiply" && value.name === "-";

function isQuotientOfLiterals(value: Node & { args: Node[] }): boolean {
  const [top, bottom] = [value.args[0], divisor(value.args[1])];
  return bottom !== null && isLiteral(top) && isLiteral(bottom);
}

/** The b of a / b, which is a * b^-1 in the tree. */
function divisor(value: Node): Node | null {
  if (value.op !== "power") return null;
  const [base, exponent] = value.args;
  return exponent.op === "number" && exponent.value[0] === -1n && isInteger(exponent.value)
    ? base
    : null;
}

/** Is this a number that is not finished? The tree has no variables. */
export function isUnfinished(value: Node): boolean {
  if (!("args" in value)) return false;
  if (value.op === "add" && value.name === "mixed") return false;
  if (value.op === "power") return isPowerLeft(value.args) || value.args.some(isUnfinished);
  if (value.op === "call" && /^(?:gcd|lcm|max|min|floor|ceil|abs|det)$/.test(value.name))
    return true;
  if (value.op === "add" && terms(value).filter(isRational).length > 1) return true;
  if (value.op === "add" && terms(value).filter(isImaginary).length > 1) return true;
  if (value.op === "multiply" && !isScientific(value) && isProductLeft(value)) return true;
  return value.args.some(isUnfinished);
}

const terms = (value: Node): Node[] =>
  value.op === "add" && value.name !== "mixed" ? value.args.flatMap(terms) : [value];

/** Is a tree made of digits alone? */
const isRational = (value: Node): boolean =>
  value.op === "number" || isLiteral(value) || ("args" in value && isArithmetic(value));
const isArithmetic = (value: Node & { args: Node[] }) =>
  /^(?:add|multiply)$/.test(value.op)
    ? value.args.every(isRational)
    : isPowerOfTen(value) || (value.op === "power" && isPowerLeft(value.args));

const isI = (value: Node) => value.op === "symbol" && value.name === "i";
/** 3i, or a product of numbers and i. */
const isImaginary = (value: Node): boolean =>
  isI(value) ||
  (value.op === "multiply" &&
    value.args.some(isImaginary) &&
    value.args.every((one) => isRational(one) || isImaginary(one)));
/** 2 + 3i in brackets, as a factor. */
const isComplex = (value: Node): boolean =>
  value.op === "add" &&
  value.args.some(isImaginary) &&
  value.args.every((one) => isRational(one) || isImaginary(one));

const isWhole = (value: Node): boolean =>
  (value.op === "number" && isInteger(value.value)) ||
  (isNegative(value) && isWhole(value.args[1]));

const isTen = (value: Node) =>
  value.op === "number" && value.value[0] === 10n && isInteger(value.value);

/** 10^-3, or -10^6 as well. */
const isPowerOfTen = (value: Node): boolean =>
  isTen(value) || (value.op === "power" && isTen(value.args[0]) && isWhole(value.args[1]));

const isScientific = ({ args: [a, b] }: { args: Node[] }) =>
  isLiteral(a) && b.op === "power" && isPowerOfTen(b);

/** 2^10, but not 2^4950, 10^6, 2^-1 or (-1)^n. */
function isPowerLeft([base, exponent]: Node[]): boolean {
  if (isComplex(base))
    return isWhole(exponent) && divisor({ op: "power", name: "", args: [base, exponent] }) === null;
  if (!isLiteral(base) || !isWhole(exponent) || isTen(base)) return false;
  const n = exponentOf(exponent);
  const [p, q] = base.op === "number" ? base.value : [2n, 1n];
  const length = Math.max(`${p}`.length, `${q}`.length);
  const bits = Math.log10(Math.max(Math.abs(Number(p)), Number(q))) * n;
  return n > 1 && (length > 300 || bits < LONG) && (q !== 1n || p > 1n || p < -1n);
}

/** Is there a power in it that is too long to be written out? */
export const hasLongPower = (value: Node): boolean =>
  "args" in value &&
  (value.args.some(hasLongPower) || (value.op === "power" && isLongPower(value.args)));
const isLongPower = ([base, exponent]: Node[]): boolean =>
  isLiteral(base) &&
  isWhole(exponent) &&
  exponentOf(exponent) > 1 &&
  !isTen(base) &&
  !isPowerLeft([base, exponent]) &&
  !isUnit(base);
const isUnit = (value: Node): boolean =>
  isNegative(value)
    ? isUnit(value.args[1])
    : value.op === "number" && value.value[0] ** 2n === value.value[1] ** 2n;

const exponentOf = (value: Node): number =>
  value.op === "number"
    ? Math.abs(Number(value.value[0]))
    : exponentOf((value as Node & { args: Node[] }).args[1]);

/** More than one plain number above, or below, the line. */
function isProductLeft(value: Node): boolean {
  const [above, below] = factors(value);
  const plain = (list: Node[]) =>
    list.filter((one) => isRational(one) && !isPowerOfTen(one)).length;
  const unit = (list: Node[]) => list.filter((one) => isRational(one)).length;
  const complex = [...above, ...below].filter(isComplex).length;
  return (
    plain(above) > 1 ||
    plain(below) > 1 ||
    complex > 1 ||
    (unit(above) > 1 && above.every(isRational)) ||
    (value.op === "multiply" && value.name === "/" && divided(value) > 1)
  );
}

/** How often a/b/c divides by plain numbers. */
function divided(value: Node): number {
  if (value.op !== "multiply" || value.name !== "/") return 0;
  return 1 + divided(value.args[0]);
}

function factors(value: Node): [above: Node[], below: Node[]] {
  if (isNegative(value)) return factors(value.args[1]);
  if (value.op !== "multiply" || isLiteral(value)) return [[value], []];
  const [a, b] = value.args;
  const under = divisor(b);
  const [aboveA, belowA] = factors(a);
  if (under) {
    const [aboveU, belowU] = factors(under);
    return [
      [...aboveA, ...belowU],
      [...belowA, ...aboveU],
    ];
  }
  const [aboveB, belowB] = factors(b);
  return [
    [...aboveA, ...aboveB],
    [...belowA, ...belowB],
  ];
}

/** The text of unfinished arithmetic: as it stands, but factors in any order and powers written out. */
export function written(value: Node): string {
  if (value.op === "number")
    return isInteger(value.value) ? format(value.value) : `(${format(value.value)})`;
  if (value.op === "symbol") return value.name;
  if (value.op === "text") return value.text;
  if (isLiteral(value) && value.op === "multiply" && !isNegative(value)) {
    const [top, bottom] = [value.args[0], divisor(value.args[1]) as Node];
    return `(${written(top)}/${written(bottom)})`;
  }
  if (isNegative(value)) return `-${written(value.args[1])}`;
  if (value.op === "add") {
    return `(${value.args
      .map(written)
      .join(value.name === "mixed" ? " " : " + ")
      .replaceAll("+ -", "- ")})`;
  }
  if (value.op === "multiply") {
    const [above, below] = factors(value);
    const top = above.flatMap(repeated).map(written).sort().join("*");
    const bottom = below.flatMap(repeated).map(written).sort().join("*");
    const sign = isBelowZero(value) ? "-" : "";
    return bottom ? `${sign}((${top})/(${bottom}))` : `${sign}(${top})`;
  }
  if (value.op === "power") {
    const parts = repeated(value);
    if (parts.length > 1) return `(${parts.map(written).join("*")})`;
    return `${written(value.args[0])}^(${written(value.args[1])})`;
  }
  return `${value.name}(${value.args.map(written).join(",")})`;
}

/** The sign that `factors` leaves out. */
const isBelowZero = (value: Node): boolean => {
  if (isNegative(value)) return !isBelowZero(value.args[1]);
  if (value.op !== "multiply" || isLiteral(value)) return false;
  const [a, b] = value.args;
  return isBelowZero(a) !== isBelowZero(divisor(b) ?? b);
};

/** 2^3 is 2, 2, 2. */
function repeated(value: Node): Node[] {
  if (value.op !== "power" || value.args[1].op !== "number") return [value];
  const [n, q] = value.args[1].value;
  return q === 1n && n > 1n && n <= 60n ? Array<Node>(Number(n)).fill(value.args[0]) : [value];
}

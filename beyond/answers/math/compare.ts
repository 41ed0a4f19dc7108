/**
 * Whether two answers with different keys are equal all the same: built alike, with parts whose values agree
 * to more than 50 digits. Numbers of few digits do not agree so far by chance; those of many digits are left
 * to exact algebra. Expressions with variables are compared at random points where both are real.
 */
import { evaluate, FAR_POINT, POINTS } from "./evaluate.ts";
import { hasSymbols } from "./expression.ts";
import { type Complex, magnitude, UNIT } from "./precise.ts";
import type { Node } from "./tree.ts";
import { isUnfinished } from "./unfinished.ts";

/** An answer taken apart: how it is built, and the expressions in it with their values at some points. */
export interface Value {
  shape: string;
  parts: Part[];
}
interface Part {
  tree: Node;
  /** Null where it has no value. */
  samples: (Complex | null)[];
  /** Decimal digits of the numbers in it. */
  digits: number;
  isReal: boolean;
}

/** Points with a value that are needed to tell. */
const ENOUGH = 3;
/** 66 digits of agreement beyond 40 that could have been written down to agree. */
const MAX_DIGITS = 40;

/** Null where an answer is no such thing. */
export function takeApart(answer: Node): Value | null {
  switch (answer.op) {
    case "text":
    case "chain":
      return null;
    case "list":
    case "set": {
      const items = answer.args.map(takeApart);
      if (items.some((item) => item === null)) return null;
      return joined(answer.op, (items as Value[]).sort(byValue));
    }
    case "tuple":
    case "interval":
    case "matrix":
    case "union":
    case "ratio":
    case "relation": {
      const items = answer.args.map(takeApart);
      if (items.some((item) => item === null)) return null;
      return joined(`${answer.op} ${answer.name}`, items as Value[]);
    }
    case "symbol":
      if (answer.name === "oo") return { shape: "oo", parts: [] };
  }
  // arithmetic that is left to do equals nothing but itself
  if (!hasSymbols(answer) && isUnfinished(answer)) return null;
  const has = (name: string) => contains(answer, (one) => one.op === "symbol" && one.name === name);
  const isConstant = !hasSymbols(answer);
  const samples: (Complex | null)[] = [];
  for (let point = 0; point < (isConstant ? 1 : POINTS); point++) {
    samples.push(evaluate(answer, point));
  }
  if (samples.every((value) => value === null)) return null;
  const part = { tree: answer, samples, digits: digitsOf(answer), isReal: !has("i") };
  return { shape: isConstant ? "constant" : "variable", parts: [part] };
}

const joined = (name: string, items: Value[]): Value => ({
  shape: `${name}(${items.map(({ shape }) => shape).join()})`,
  parts: items.flatMap(({ parts }) => parts),
});

function contains(value: Node, is: (one: Node) => boolean): boolean {
  return is(value) || ("args" in value && value.args.some((arg) => contains(arg, is)));
}

function digitsOf(value: Node): number {
  if (value.op === "number") {
    const [p, q] = value.value;
    return (p === -1n ? 0 : `${p}`.length) + (q === 1n ? 0 : `${q}`.length);
  }
  return "args" in value ? value.args.reduce((n, arg) => n + digitsOf(arg), 0) : 0;
}

const byValue = (a: Value, b: Value) => {
  const [x, y] = [a, b].map(({ parts }) => parts[0]?.samples[0] ?? { re: 0n, im: 0n });
  const [first, second] = magnitude(x.re - y.re) > UNIT >> 200n ? [x.re, y.re] : [x.im, y.im];
  return first < second ? -1 : first > second ? 1 : 0;
};

export function areEqual(a: Value, b: Value): boolean {
  if (a.shape !== b.shape || a.parts.length !== b.parts.length) return false;
  return a.parts.every((part, i) => agree(part, b.parts[i]));
}

function agree(a: Part, b: Part): boolean {
  if (a.digits + b.digits > MAX_DIGITS) return false;
  let compared = 0;
  for (const [point, x] of a.samples.entries()) {
    const y = b.samples[point];
    if (x === null && y === null) continue;
    if (a.isReal && b.isReal && a.samples.length > 1) {
      if (point >= FAR_POINT && (x === null || y === null)) continue;
      const [xIsReal, yIsReal] = [x?.im === 0n, y?.im === 0n];
      // one is defined where the other is not: ln(x^2) and 2 ln x
      if (xIsReal !== yIsReal) return false;
      if (!xIsReal) continue;
    }
    if (x === null || y === null || !areClose(x.re, y.re) || !areClose(x.im, y.im)) return false;
    compared++;
  }
  return compared >= Math.min(ENOUGH, a.samples.length);
}

function areClose(x: bigint, y: bigint): boolean {
  const size = magnitude(x) > magnitude(y) ? magnitude(x) : magnitude(y);
  return magnitude(x - y) <= (size >> 190n) + (UNIT >> 250n);
}

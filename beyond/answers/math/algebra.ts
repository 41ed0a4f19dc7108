/**
 * Equality by the algebra library, for answers whose values agree: numbers of 50 digits, then its
 * simplifier. It has no bound on its work and takes a second to load, so it runs in the judging thread only.
 */
import { ComputeEngine, type Expression } from "@cortex-js/compute-engine";
import type { Value } from "./compare.ts";
import { type MathJson, toMathJson } from "./mathjson.ts";

const ce = new ComputeEngine();
ce.precision = 50;

/** True only if the library shows that all parts are equal. */
export function areEqual(a: Value, b: Value): boolean {
  const pairs: [MathJson, MathJson][] = [];
  for (const [i, { tree }] of a.parts.entries()) {
    const [x, y] = [toMathJson(tree), toMathJson(b.parts[i].tree)];
    if (x === null || y === null) return false;
    pairs.push([x, y]);
  }
  try {
    return pairs.every(([x, y]) => isZero(ce.expr(["Subtract", x, y] as Input)));
  } catch {
    return false;
  }
}

type Input = Parameters<typeof ce.expr>[0];

/** Values for the symbols: primes over primes, so that accidents are unlikely. */
const POINTS = [
  [7, 11, 13, 17, 19, 23, 29],
  [37, 31, 43, 41, 53, 47, 61],
];

function isZero(difference: Expression): boolean {
  const symbols = difference.unknowns;
  for (const values of symbols.length === 0 ? [[]] : POINTS) {
    const substitution = Object.fromEntries(
      symbols.map((symbol, i) => [
        symbol,
        ce.expr(["Divide", values[i % values.length], 9 + 2 * i] as Input),
      ]),
    );
    const { re, im } = difference.subs(substitution).N();
    // what numbers did not show may be shown by algebra
    if (!(Math.abs(re) < 1e-25 && Math.abs(im) < 1e-25)) {
      return difference.simplify().is(0) === true;
    }
  }
  return true;
}

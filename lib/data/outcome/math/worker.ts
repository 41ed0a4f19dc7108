/**
 * A thread of its own for the algebra library, so that an expression on which it takes for ever can be
 * given up. Receives pairs of expressions, answers whether each pair is equal.
 */
import { ComputeEngine } from "@cortex-js/compute-engine";
import type { MathJson } from "./mathjson.ts";

declare const self: Worker;

const ce = new ComputeEngine();
ce.precision = 50;

type Input = Parameters<typeof ce.expr>[0];

/** Values for the symbols: primes over primes, so that accidents are unlikely. */
const POINTS = [
  [7, 11, 13, 17, 19, 23, 29],
  [37, 31, 43, 41, 53, 47, 61],
];

function isEqual(a: MathJson, b: MathJson): boolean {
  const difference = ce.expr(["Subtract", a, b] as Input);
  const symbols = difference.unknowns;
  const at = symbols.length === 0 ? [[]] : POINTS;
  for (const values of at) {
    const substitution = Object.fromEntries(
      symbols.map((symbol, i) => [
        symbol,
        ce.expr(["Divide", values[i % values.length], 9 + 2 * i] as Input),
      ]),
    );
    const value = difference.subs(substitution).N();
    const [re, im] = [value.re, value.im];
    if (!(Math.abs(re) < 1e-25 && Math.abs(im) < 1e-25)) return isZero(difference);
  }
  return true;
}

/** What numbers did not show may be shown by algebra. */
const isZero = (difference: ReturnType<typeof ce.expr>) => difference.simplify().is(0) === true;

self.onmessage = ({ data }: MessageEvent<[MathJson, MathJson][]>) => {
  try {
    self.postMessage(data.every(([a, b]) => isEqual(a, b)));
  } catch {
    self.postMessage(false);
  }
};
self.postMessage("ready");

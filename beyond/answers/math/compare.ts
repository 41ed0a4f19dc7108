/** Whether two answers with different keys might still be equal, judged by their values. */
import { type Complex, evaluate } from "./evaluate.ts";
import type { Node } from "./tree.ts";

/** An answer taken apart: how it is built, and the expressions in it with their values at some points. */
export interface Value {
  shape: string;
  parts: { tree: Node; samples: Complex[] }[];
}

const POINTS = [0, 1, 2];

/** Null where an expression in the answer has no value. */
export function takeApart(answer: Node): Value | null {
  switch (answer.op) {
    case "text":
      return null;
    case "list":
    case "set": {
      const items = answer.args.map(takeApart);
      if (items.some((item) => item === null)) return null;
      return joined("set", (items as Value[]).sort(byValue));
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
  const samples: Complex[] = [];
  for (const point of POINTS) {
    const value = evaluate(answer, point);
    if (value === null) return null;
    samples.push(value);
  }
  return { shape: "", parts: [{ tree: answer, samples }] };
}

const joined = (name: string, items: Value[]): Value => ({
  shape: `${name}(${items.map(({ shape }) => shape).join()})`,
  parts: items.flatMap(({ parts }) => parts),
});

const byValue = (a: Value, b: Value) => {
  const [x, y] = [a, b].map(({ parts }) => parts[0]?.samples[0] ?? { re: 0, im: 0 });
  return Math.abs(x.re - y.re) > 1e-9 ? x.re - y.re : x.im - y.im;
};

/** Do the values agree to about ten digits at every point? */
export function mayBeEqual(a: Value, b: Value): boolean {
  if (a.shape !== b.shape || a.parts.length !== b.parts.length) return false;
  return a.parts.every(({ samples }, i) =>
    samples.every((x, point) => {
      const y = b.parts[i].samples[point];
      const size = Math.max(1e-6, Math.hypot(x.re, x.im), Math.hypot(y.re, y.im));
      return Math.hypot(x.re - y.re, x.im - y.im) < 1e-9 * size;
    }),
  );
}

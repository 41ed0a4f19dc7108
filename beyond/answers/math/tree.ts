/** The tree of an answer: what `parse.ts` reads and `keys.ts` brings to a key. */
import { type Rational, rational } from "./rational.ts";

export type Node =
  | { op: "number"; value: Rational }
  | { op: "symbol"; name: string }
  | { op: "text"; text: string }
  /**
   * `call`: name is the function; `relation`: name is the sign; `interval`: name is both brackets; `add` may be
   * "mixed"; `multiply` tells how it was written: "-" before a factor, "frac", "/" or "%"; `list` its separators.
   */
  | { op: Operation; name: string; args: Node[] };
type Operation =
  | "add"
  | "multiply"
  | "power"
  | "call"
  | "plusminus"
  | "relation"
  | "chain"
  | "list"
  | "set"
  | "tuple"
  | "interval"
  | "union"
  | "ratio"
  | "matrix";

/** Thrown for text that is no mathematics: it is compared as text then. */
export class NotMath extends Error {}

export const node = (op: Operation, args: Node[], name = ""): Node => ({ op, name, args });
export const number = (p: bigint, q = 1n): Node => ({ op: "number", value: rational(p, q) });
export const symbol = (name: string): Node => ({ op: "symbol", name });
export const minusOne = number(-1n);
export const negative = (a: Node) => node("multiply", [minusOne, a], "-");
export const quotient = (a: Node, b: Node, written = "/") =>
  node("multiply", [a, node("power", [b, minusOne])], written);
/** 2 1/3 */
export const mixed = (whole: Node, part: Node) => node("add", [whole, part], "mixed");

/** Expressions with a plus-minus, which are two. */
import { type Node, negative } from "./tree.ts";

/** Is there a plus-minus in the expression? */
export const isTwo = (value: Node): boolean =>
  value.op === "plusminus" || ("args" in value && value.op !== "set" && value.args.some(isTwo));

/** The expression with the upper sign of every plus-minus, or with the lower one. */
export function oneOf(value: Node, side: number): Node {
  if (!("args" in value)) return value;
  const args = value.args.map((arg) => oneOf(arg, side));
  if (value.op !== "plusminus") return { ...value, args };
  return (side === 0) === (value.name !== "-") ? args[0] : negative(args[0]);
}

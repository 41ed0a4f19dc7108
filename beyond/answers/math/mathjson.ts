/** An expression in the notation of the algebra library. */
import type { Node } from "./tree.ts";

export type MathJson = string | { num: string } | MathJson[];

const HEADS: Record<string, string> = {
  sin: "Sin",
  cos: "Cos",
  tan: "Tan",
  cot: "Cot",
  sec: "Sec",
  csc: "Csc",
  arcsin: "Arcsin",
  arccos: "Arccos",
  arctan: "Arctan",
  sinh: "Sinh",
  cosh: "Cosh",
  tanh: "Tanh",
  exp: "Exp",
  ln: "Ln",
  log: "Log",
  sqrt: "Sqrt",
  abs: "Abs",
  floor: "Floor",
  ceil: "Ceil",
  factorial: "Factorial",
  binom: "Binomial",
};
const CONSTANTS: Record<string, string> = { pi: "Pi", e: "ExponentialE", i: "ImaginaryUnit" };

/** Null for what the library has no name for. Symbols are renamed: v_x stands for x. */
export function toMathJson(value: Node, inAngle = false): MathJson | null {
  if (value.op === "number") {
    return ["Divide", ...value.value.map((n) => ({ num: `${n}` }))];
  }
  if (value.op === "symbol") {
    return CONSTANTS[value.name] ?? `v_${[...value.name].map((c) => c.charCodeAt(0)).join("")}`;
  }
  if (value.op === "text") return null;
  const isAngle = inAngle || /^(?:sin|cos|tan|cot|sec|csc)$/.test(value.name);
  const args = value.args.map((arg) => toMathJson(arg, isAngle));
  if (args.some((arg) => arg === null)) return null;
  const known = args as MathJson[];
  if (value.op === "add") return ["Add", ...known];
  if (value.op === "multiply") return ["Multiply", ...known];
  if (value.op === "power") return ["Power", ...known];
  if (value.op !== "call") return null;
  if (value.name === "degrees") {
    return inAngle ? ["Multiply", known[0], ["Divide", "Pi", { num: "180" }]] : known[0];
  }
  return HEADS[value.name] ? [HEADS[value.name], ...known] : null;
}

/** From the tree of an answer to its key: one text for all spellings of one value. */
import { algebra, CONSTANTS, hasSymbols, MINUS } from "./expression.ts";
import { isInteger, negated, power, ZERO } from "./rational.ts";
import { add, constant, print, type Sum, scale, withoutContent } from "./sum.ts";
import { type Node, NotMath, node, number } from "./tree.ts";

/** The key of a whole answer. Throws NotMath, TooMuch, or a RangeError for a division by zero. */
export function keyOf(answer: Node): string {
  switch (answer.op) {
    case "list":
      return list(answer.args, answer.name);
    case "set":
      return collection(answer.args);
    case "tuple":
      return `(${answer.args.map(keyOf).join(",")})`;
    case "interval": {
      const [open, close] = answer.name;
      return `${open}${answer.args.map(keyOf).join(",")}${close}`;
    }
    case "union":
      return union(answer.args.map(keyOf));
    case "ratio":
      return answer.args.map(keyOf).join(":");
    case "matrix":
      return `[${answer.args.map((row) => `[${rowOf(row).map(keyOf).join(",")}]`).join(",")}]`;
    case "relation":
      return relation(answer.args, answer.name);
    case "chain":
      return chain(answer.args, answer.name.split(" "));
    default: {
      const array = scaled(answer);
      if (array) return keyOf(array);
      return isTwo(answer) ? collection([answer]) : print(algebra(answer));
    }
  }
}

/** Several answers: solutions in any order, areas joined or cut, or the values of several unknowns. */
function list(items: readonly Node[], separator: string): string {
  const areas = items.every(({ op }) => op === "relation" || op === "chain");
  if (areas && separator !== ",") {
    const keys = items.map(keyOf);
    // x < 1 or x > 3 is a union of intervals, x > 1 and x < 3 is one interval
    if (separator === "or" && keys.every((key) => /^[[(]/.test(key))) return union(keys);
    const [below, above] = [...keys].sort((a) => (a.startsWith("(-oo,") ? -1 : 1));
    const high = /^\(-oo,(.*[\])])$/.exec(below)?.[1];
    const low = /^([[(].*),oo\)$/.exec(above)?.[1];
    if (keys.length === 2 && high && low) return `${low},${high}`;
  }
  // x = 3, y = 4 is the pair (3,4)
  const names = items.map((item) => unknownOf(item));
  if (items.length > 1 && new Set(names).size === items.length && !names.includes(null)) {
    const byName = items.map((item, i) => ({ name: names[i] as string, key: keyOf(item) }));
    byName.sort((a, b) => (a.name < b.name ? -1 : 1));
    return `(${byName.map(({ key }) => key).join(",")})`;
  }
  return collection(items);
}

/** The x of x = 3; null for anything else, and for x_1, of which there are several. */
function unknownOf(item: Node): string | null {
  if (item.op !== "relation" || item.name !== "=") return null;
  const [left, right] = item.args;
  return left.op === "symbol" && left.name.length === 1 && isNumber(right) && !isTwo(right)
    ? left.name
    : null;
}

/** A matrix or tuple times a number, multiplied out; null for anything else. */
function scaled(value: Node): Node | null {
  if (value.op !== "multiply") return null;
  const isArray = (one: Node) => one.op === "matrix" || one.op === "tuple";
  const [factor, array] = isArray(value.args[0]) ? [...value.args].reverse() : value.args;
  const inner = isArray(array) ? array : scaled(array);
  if (inner === null || !("args" in inner) || isArray(factor) || isTwo(factor)) return null;
  // f(1,2) is a function's value
  if (inner.op === "tuple" && hasSymbols(factor)) return null;
  const times = (entry: Node): Node =>
    entry.op === "tuple" ? node("tuple", entry.args.map(times)) : node("multiply", [factor, entry]);
  const rows =
    inner.op === "matrix" ? inner.args.map((row) => node("tuple", rowOf(row))) : inner.args;
  return node(inner.op, rows.map(times));
}

const union = (keys: string[]) => [...new Set(keys)].sort().join(" \\cup ");

const rowOf = (row: Node) => (row.op === "tuple" ? row.args : [row]);

/** Solutions in any order, each once. */
function collection(items: readonly Node[]): string {
  const keys = items.flatMap((item) => {
    if (item.op === "relation" && item.name === "=" && isTwo(item.args[1])) {
      return [0, 1].map((side) => keyOf(oneOf(item, side)));
    }
    return isTwo(item) ? [0, 1].map((side) => keyOf(oneOf(item, side))) : [keyOf(item)];
  });
  return `\\{${[...new Set(keys)].sort().join(",")}\\}`;
}

/** Is there a plus-minus in the expression? */
const isTwo = (value: Node): boolean =>
  value.op === "plusminus" || ("args" in value && value.op !== "set" && value.args.some(isTwo));

/** The expression with plus for every plus-minus, or with minus. */
function oneOf(value: Node, side: number): Node {
  if (!("args" in value)) return value;
  const args = value.args.map((arg) => oneOf(arg, side));
  if (value.op !== "plusminus") return { ...value, args };
  return side === 0 ? args[0] : node("multiply", [number(-1n), args[0]]);
}

const TURNED: Record<string, string> = { "<": ">", ">": "<", "<=": ">=", ">=": "<=" };

/** x = 3 is 3; x < 3 is an interval; other relations are brought to one side and scaled. */
function relation([left, right]: Node[], sign: string): string {
  if (sign !== "=" && (isTwo(left) || isTwo(right))) throw new NotMath("a sign");
  if (sign === "=" && isApplication(left)) return keyOf(right);
  if (sign === "=" && (left.op === "symbol" || isNamedPoint(left)) && !hasSymbols(right)) {
    return keyOf(right);
  }
  if (sign === "=" && isNumber(left) && isNumber(right) && !isTwo(right)) return keyOf(right);
  if (isVariable(right) && isNumber(left)) return relation([right, left], TURNED[sign] ?? sign);
  if (isVariable(left) && isNumber(right) && TURNED[sign]) return halfLine(sign, keyOf(right));
  if (isTwo(right)) return collection([node("relation", [left, right], sign)]);
  const difference = add(algebra(left), scale(algebra(right), MINUS));
  if (difference.size === 0) return `0 ${sign} 0`;
  const [content, rest] = withoutContent(difference, true);
  const turned = content[0] < 0n ? (TURNED[sign] ?? sign) : sign;
  const root = rootOf(rest);
  if (root !== null && turned === "=") return root;
  if (root !== null && TURNED[turned]) return halfLine(turned, root);
  return `${print(rest)} ${turned} 0`;
}

/** The x for which a*x + b is 0, with a > 0 and numbers a and b; null for other sums. */
function rootOf(sum: Sum): string | null {
  const terms = [...sum.values()].filter(({ factors: list }) => list.length > 0);
  if (terms.length !== 1 || terms[0].factors.length !== 1) return null;
  const [{ coef, factors: list }] = terms;
  const [{ atom: symbol, exp }] = list;
  if (!/^[a-zA-Z]+(?:_\w|_\{\w+\})?$/.test(symbol.key) || CONSTANTS.has(symbol.key)) return null;
  if (exp[0] !== 1n || !isInteger(exp)) return null;
  return print(scale(constant(sum.get("")?.coef ?? ZERO), negated(power(coef, -1n))));
}

const halfLine = (sign: string, bound: string) =>
  ({
    "<": `(-oo,${bound})`,
    "<=": `(-oo,${bound}]`,
    ">": `(${bound},oo)`,
    ">=": `[${bound},oo)`,
  })[sign] as string;

/** a < x <= b is an interval; anything longer is no answer we know; a = b = c is its last part. */
function chain(parts: Node[], signs: string[]): string {
  if (signs.every((sign) => sign === "=")) return relation(parts.slice(-2), "=");
  const [a, x, b] = parts;
  if (parts.length !== 3 || !isVariable(x) || !isNumber(a) || !isNumber(b))
    throw new NotMath("a chain");
  if (/^<=? <=?$/.test(signs.join(" "))) {
    return `${signs[0] === "<" ? "(" : "["}${keyOf(a)},${keyOf(b)}${signs[1] === "<" ? ")" : "]"}`;
  }
  if (!/^>=? >=?$/.test(signs.join(" "))) throw new NotMath("a chain");
  return chain([b, x, a], [TURNED[signs[1]], TURNED[signs[0]]]);
}

/** f(x), as on the left of f(x) = ... */
function isApplication(value: Node): boolean {
  if (value.op !== "multiply" || value.args.length !== 2) return false;
  const [f, x] = value.args;
  return (
    f.op === "symbol" &&
    /^[fghpPyQ](?:_.+)?$/.test(f.name) &&
    (x.op === "symbol" || x.op === "number")
  );
}

/** (x, y), as on the left of (x, y) = (1, 2) */
const isNamedPoint = (value: Node) =>
  value.op === "tuple" && value.args.every((arg) => arg.op === "symbol");

const isVariable = (value: Node) => value.op === "symbol" && hasSymbols(value);
const isNumber = (value: Node) => !hasSymbols(value) && value.op !== "text";

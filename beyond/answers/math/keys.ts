/** From the tree of an answer to its key: one text for all spellings of one value. */
import { algebra, hasSymbols } from "./expression.ts";
import { multiset } from "./lists.ts";
import { ONE } from "./rational.ts";
import { chain, relation, solutions } from "./relations.ts";
import { add, atom, constant, multiply, print, type Sum, sumOf } from "./sum.ts";
import type { Node } from "./tree.ts";
import { isTwo, oneOf } from "./two.ts";
import { hasLongPower, isUnfinished, written } from "./unfinished.ts";
import { exceptPoints, union } from "./unions.ts";
import { wordKey } from "./words.ts";

/** The key of a whole answer. Throws NotMath, TooMuch, or a RangeError for a division by zero. */
export function keyOf(answer: Node): string {
  switch (answer.op) {
    case "text":
      return wordKey(answer.text);
    case "list":
      return list(answer.args, answer.name.split(" "));
    case "set":
      if (answer.args.length > 1 && answer.args.every(isEquation)) return list(answer.args, []);
      return `\\{${[...new Set(multiset(answer.args.flatMap(both), keyOf))].join(",")}\\}`;
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
      return relation(answer.args, answer.name, keyOf);
    case "chain":
      return chain(answer.args, answer.name.split(" "), keyOf);
    default: {
      const array = scaled(answer);
      if (array !== null) return array;
      return isTwo(answer) ? collection([answer]) : expressionKey(answer);
    }
  }
}

/** Of a number with arithmetic left to do the key is how it is written. */
function expressionKey(value: Node): string {
  if (!hasSymbols(value) && isUnfinished(value)) return written(value);
  const key = print(withConstant(algebra(value)));
  // long powers that cancel are left to do: 2^100 / 2^98
  if (/^-?\d{1,15}(?:\/\d{1,15})?$/.test(key) && hasLongPower(value)) return written(value);
  // x*y and xy are one
  return /^[a-z](?:\*[a-z])+$/.test(key) ? key.replaceAll("*", "") : key;
}

/** A lone c or C behind a function of x is the constant of integration. */
function withConstant(sum: Sum): Sum {
  const lone = sum.get("c^1");
  const terms = [...sum].filter(([key]) => key !== "c^1");
  const hasX = terms.some(([key]) => /(?:^|[^a-z])[tuxyz](?:[^a-z]|$)/.test(key));
  const others = terms.some(([key]) => /(?:^|[^a-zA-Z])[abcC](?:[^a-zA-Z]|$)/.test(key));
  if (lone?.coef[0] !== 1n || lone.coef[1] !== 1n || !hasX || others) return sum;
  return add(atom("C"), sumOf(terms.map(([, term]) => term)));
}

/** Several answers: solutions in any order, areas joined or cut, or the values of several unknowns. */
function list(given: readonly Node[], separators: readonly string[]): string {
  const [first] = given;
  // x != 1, 2
  const isExcept = first.op === "relation" && first.name === "!=";
  const items = isExcept
    ? given.map((item) =>
        item.op === "relation" ? item : { ...first, args: [first.args[0], item] },
      )
    : given;
  const separator = separators.find((one) => /^(?:or|and)$/.test(one)) ?? ",";
  const isOr = separator === "or";
  const areas = items.every(({ op }) => op === "relation" || op === "chain");
  if (areas) {
    const keys = items.map(keyOf);
    const points = isOr ? null : exceptPoints(items, keyOf);
    if (points !== null) return points;
    // x < 1 or x > 3 is a union of intervals, x > 1 and x < 3 is one interval
    if (isOr && keys.every((key) => /^[[(].*,.*[\])]$/.test(key)) && items.some(isInequality)) {
      return union(keys);
    }
    const [below, above] = [...keys].sort((a) => (a.startsWith("(-oo,") ? -1 : 1));
    const high = /^\(-oo,(.*[\])])$/.exec(below)?.[1];
    const low = /^([[(].*),oo\)$/.exec(above)?.[1];
    if (!isOr && keys.length === 2 && high && low) return `${low},${high}`;
    const solved = solutions(items, separators, keyOf);
    if (solved !== null) return solved;
  }
  return collection(items);
}

const isEquation = (item: Node) => item.op === "relation" && item.name === "=";
const isInequality = (item: Node) => "name" in item && /[<>]/.test(item.name);

/** The key of a matrix or tuple times a number, multiplied out; null for anything else. */
function scaled(value: Node, by: Sum = constant(ONE)): string | null {
  if (value.op !== "multiply") return null;
  const isArray = (one: Node) => one.op === "matrix" || one.op === "tuple";
  const [factor, array] = isArray(value.args[0]) ? [...value.args].reverse() : value.args;
  if (isArray(factor) || isTwo(factor) || factor.op === "power") return null;
  if (!isArray(array))
    return array.op === "multiply" ? scaled(array, multiply(by, algebra(factor))) : null;
  const whole = multiply(by, algebra(factor));
  const entries = (list: readonly Node[]) =>
    list.map((one) => print(multiply(whole, algebra(one))));
  if (array.op === "tuple") return `(${entries(array.args).join(",")})`;
  return `[${(array as Node & { args: Node[] }).args.map((row) => `[${entries(rowOf(row)).join(",")}]`).join(",")}]`;
}

const rowOf = (row: Node) => (row.op === "tuple" ? row.args : [row]);

/** Solutions in any order, each as often as it is given. */
function collection(items: readonly Node[]): string {
  const keys = multiset(items.flatMap(both), keyOf);
  return new Set(keys).size === keys.length ? `\\{${keys.join(",")}\\}` : keys.join(", ");
}

/** Both values of an expression with a plus-minus in it. */
function both(item: Node): Node[] {
  const two = item.op === "relation" && item.name === "=" ? item.args[1] : item;
  return isTwo(two) ? [oneOf(item, 0), oneOf(item, 1)] : [item];
}

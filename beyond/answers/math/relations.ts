/** Equations and inequalities, and the values they state of unknowns. */
import { algebra, hasSymbols, MINUS } from "./expression.ts";
import { add, print, scale, withoutContent } from "./sum.ts";
import { type Node, NotMath, node } from "./tree.ts";
import { isTwo, oneOf } from "./two.ts";
import { isUnfinished, written } from "./unfinished.ts";
import { exceptPoints } from "./unions.ts";

type KeyOf = (item: Node) => string;

const TURNED: Record<string, string> = { "<": ">", ">": "<", "<=": ">=", ">=": "<=" };

/** x = 3 is 3; x < 3 is an interval; other relations, 2x = 6 too, are brought to one side and scaled. */
export function relation([left, right]: Node[], sign: string, keyOf: KeyOf): string {
  if (sign !== "=" && (isTwo(left) || isTwo(right))) throw new NotMath("a sign");
  if (sign === "=" && isCalled(left, right)) return keyOf(right);
  if (sign === "=" && (left.op === "symbol" || isNamedPoint(left)) && !hasSymbols(right)) {
    return keyOf(right);
  }
  if (sign === "=" && isNumber(left) && isNumber(right) && !isTwo(right)) {
    return keyOf(isUnfinished(right) ? left : right);
  }
  if (isVariable(right) && isNumber(left)) {
    return relation([right, left], TURNED[sign] ?? sign, keyOf);
  }
  if (isVariable(left) && isNumber(right) && TURNED[sign]) return halfLine(sign, keyOf(right));
  if (isTwo(right)) {
    const keys = [0, 1].map((side) => keyOf(node("relation", [left, oneOf(right, side)], sign)));
    return `\\{${[...new Set(keys)].sort().join(",")}\\}`;
  }
  const points = exceptPoints([node("relation", [left, right], sign)], keyOf);
  if (points !== null) return points;
  const difference = add(algebra(left), scale(algebra(right), MINUS));
  // what is always so, or never, says what it says: x = x is another statement than xy = yx
  if (difference.size === 0 || (difference.has("") && difference.size === 1)) {
    return `${written(left)} ${sign} ${written(right)}`;
  }
  const [content, rest] = withoutContent(difference, true);
  const turned = content[0] < 0n ? (TURNED[sign] ?? sign) : sign;
  return `${print(rest)} ${turned} 0`;
}

/** Is this f(x) = ..., f'(x) = ... or dy/dx = ..., which says how something is called? */
function isCalled(left: Node, right: Node): boolean {
  if (left.op !== "call" || mentions(right, left.name)) return false;
  if (left.name !== "diff") return /^[a-zA-Z](?:_.+|'+|\^\{-1\})?$/.test(left.name);
  const [y, x] = left.args.map((arg) => (arg.op === "symbol" ? arg.name : ""));
  return x === "t" || (x === "x" && !/^[txyz]$/.test(y)) || (x === "x" && y === "y");
}

const mentions = (value: Node, name: string): boolean =>
  (value.op === "call" && value.name === name) ||
  ("args" in value && value.args.some((arg) => mentions(arg, name)));

const halfLine = (sign: string, bound: string) =>
  ({
    "<": `(-oo,${bound})`,
    "<=": `(-oo,${bound}]`,
    ">": `(${bound},oo)`,
    ">=": `[${bound},oo)`,
  })[sign] as string;

/** a < x <= b is an interval; x = y = 4 are two values; a = b = 4 is what is said last. */
export function chain(parts: Node[], signs: string[], keyOf: KeyOf): string {
  if (signs.every((sign) => sign === "=")) {
    const last = parts[parts.length - 1];
    const names = parts.slice(0, -1);
    if (names.every(isVariable))
      return solutions([node("chain", parts, signs.join(" "))], [], keyOf) as string;
    return isNumber(last) ? keyOf(last) : relation(parts.slice(-2), "=", keyOf);
  }
  const [a, x, b] = parts;
  const isName = isVariable(x) || x.op === "call";
  if (parts.length !== 3 || !isName || !isNumber(a) || !isNumber(b)) throw new NotMath("a chain");
  if (/^<=? <=?$/.test(signs.join(" "))) {
    return `${signs[0] === "<" ? "(" : "["}${keyOf(a)},${keyOf(b)}${signs[1] === "<" ? ")" : "]"}`;
  }
  if (!/^>=? >=?$/.test(signs.join(" "))) throw new NotMath("a chain");
  return chain([b, x, a], [TURNED[signs[1]], TURNED[signs[0]]], keyOf);
}

interface Stated {
  name: string;
  key: string;
}

/**
 * The values of several unknowns: x = 3, y = 4 is the pair (3,4); with "or" or with names that come again they
 * are several pairs. What has another name keeps it: f(1) = 2.
 * Null where not all items state a value.
 */
export function solutions(
  items: readonly Node[],
  separators: readonly string[],
  keyOf: KeyOf,
): string | null {
  const groups: Stated[][] = [[]];
  for (const [i, item] of items.entries()) {
    const stated = statedBy(item, keyOf);
    if (stated === null) return null;
    let group = groups[groups.length - 1];
    const isOther = i > 0 && /^(?:or|;)$/.test(separators[i - 1] ?? ",");
    if (isOther || stated.some(({ name }) => group.some((one) => one.name === name))) {
      if (group.length > 0) groups.push([]);
      group = groups[groups.length - 1];
    }
    group.push(...stated);
  }
  const [first] = groups;
  const names = new Set(first.map(({ name }) => name));
  const alike = groups.every(
    (one) => one.length === names.size && one.every(({ name }) => names.has(name)),
  );
  if (groups.length === 1 && first.length === 1) return null;
  if (!alike) {
    if (groups.every(({ length }) => length === 1)) return null;
    return groups
      .map((group) => named(group))
      .sort()
      .join("; ");
  }
  if (first.length === 1) return null;
  if (
    first.some(
      ({ name }) => !/^(?:[a-zA-Z]|[a-zA-Z]+)(?:_.+)?$/.test(name) || /^[A-Z]_|^a_/.test(name),
    )
  ) {
    return groups.map(named).sort().join("; ");
  }
  return set(groups.map((group) => tuple(group)).sort());
}

const byName = (a: Stated, b: Stated) => (a.name < b.name ? -1 : 1);
const tuple = (group: Stated[]) =>
  `(${[...group]
    .sort(byName)
    .map(({ key }) => key)
    .join(",")})`;
const named = (group: Stated[]) =>
  [...group]
    .sort(byName)
    .map(({ name, key }) => `${name} = ${key}`)
    .join(", ");
const set = (keys: string[]) =>
  keys.length === 1
    ? keys[0]
    : new Set(keys).size === keys.length
      ? `\\{${keys.join(",")}\\}`
      : keys.join(", ");

/** What x = 3, x = y = 4 or f(1) = 2 say; 2x = 6 is left to be solved; null for other relations. */
function statedBy(item: Node, keyOf: KeyOf): Stated[] | null {
  if (item.op === "chain" && /^=(?: =)*$/.test(item.name)) {
    const last = item.args[item.args.length - 1];
    const names = item.args.slice(0, -1);
    if (!names.every(isVariable) || !isNumber(last) || isTwo(last)) return null;
    return names.map((one) => ({ name: print(algebra(one)), key: keyOf(last) }));
  }
  if (item.op !== "relation" || item.name !== "=") return null;
  const [left, right] = item.args;
  if (isTwo(left) || isTwo(right)) return null;
  if (isVariable(left) && isNumber(right)) {
    return [{ name: print(algebra(left)), key: keyOf(right) }];
  }
  if (left.op === "call" && right.op !== "tuple" && !mentions(right, left.name))
    return [{ name: written(left), key: keyOf(right) }];
  return null;
}

/** (x, y), as on the left of (x, y) = (1, 2) */
const isNamedPoint = (value: Node) =>
  value.op === "tuple" && value.args.every((arg) => arg.op === "symbol");

const isVariable = (value: Node) => value.op === "symbol" && hasSymbols(value);
const isNumber = (value: Node) => !hasSymbols(value) && value.op !== "text";

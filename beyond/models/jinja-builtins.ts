/** Methods, tests, filters and functions of Jinja that the library has otherwise, or not at all. */
import { viewOf } from "./python-iterables.ts";
import {
  asFloat,
  asValue,
  capitalize,
  equal,
  listOf,
  number,
  str,
  strip,
  title,
  type Value,
} from "./python-values.ts";

/** Methods of texts. */
export const METHODS = new Map<string, (text: string, argument: string | null) => string>([
  ["strip", (text, characters) => strip(text, characters, "both")],
  ["lstrip", (text, characters) => strip(text, characters, "left")],
  ["rstrip", (text, characters) => strip(text, characters, "right")],
  ["capitalize", capitalize],
  ["title", title],
]);

/** Methods of an object, which in Python come before its fields of that name. */
export const FIELD_METHODS = [
  ...["clear", "copy", "fromkeys", "get", "items", "keys", "pop", "popitem", "setdefault"],
  ...["update", "values"],
];

export const TESTS = new Map<string, (value: Value) => boolean>([
  ["number", ({ type }) => ["IntegerValue", "FloatValue", "BooleanValue"].includes(type)],
  [
    "iterable",
    ({ type }) => !/^(?:Null|Boolean|Integer|Float|Function|Namespace)Value$/.test(type),
  ],
  ["sequence", ({ type }) => /^(?:Array|Tuple|Range|String|Object)Value$/.test(type)],
  ["lower", (value) => /\p{Ll}/u.test(str(value)) && !/\p{Lu}/u.test(str(value))],
  ["upper", (value) => /\p{Lu}/u.test(str(value)) && !/\p{Ll}/u.test(str(value))],
]);

/** The i-th argument, or the one of that name. */
type Given = (i: number, name: string) => Value | undefined;
/** A filter; undefined where the library's does the same. */
type Filter = (operand: Value, given: Given) => Value | undefined;

/** Those of a list of objects that have, or lack, a field; the library has no test for one that is not there. */
const lacking =
  (lacks: boolean): Filter =>
  ({ value }, given) => {
    if (given(1, "")?.value !== "undefined" || !Array.isArray(value)) return undefined;
    const field = String(given(0, "")?.value);
    const has = (item: Value) => item.value instanceof Map && item.value.has(field);
    return listOf((value as Value[]).filter((item) => has(item) !== lacks));
  };

const numeric =
  (whole: boolean): Filter =>
  (operand, given) => {
    const { value } = operand;
    const found =
      typeof value === "string"
        ? number(value, whole)
        : typeof value === "number" || typeof value === "boolean"
          ? Number(value)
          : null;
    if (found === null) return given(0, "default") ?? numberOf(0, whole);
    return numberOf(whole ? Math.trunc(found) : found, whole);
  };

const numberOf = (value: number, whole: boolean) => (whole ? asValue(value) : asFloat(value));

/** What has no length, no last or no JSON in Python. */
const ONE_BY_ONE = ["GeneratorValue", "ViewValue", "RangeValue"];

/** Filters that find what they find one by one. */
export const LAZY = [
  ...["map", "select", "reject", "selectattr", "rejectattr", "reverse", "unique", "items"],
];
/** Filters that take a value as it is, and do not go through it. */
export const WHOLE = ["default", "d", "safe", "string", "length", "tojson", "last"];

export const FILTERS = new Map<string, Filter>([
  ["selectattr", lacking(true)],
  ["rejectattr", lacking(false)],
  ["string", (operand) => asValue(str(operand))],
  ["capitalize", (operand) => asValue(capitalize(str(operand)))],
  // unlike the method, which knows other beginnings of a word
  ["title", (operand) => asValue(str(operand).replace(/[^-\s({[<]+/gu, capitalize))],
  ["upper", (operand) => asValue(str(operand).toUpperCase())],
  ["lower", (operand) => asValue(str(operand).toLowerCase())],
  [
    "trim",
    (operand, given) => {
      const characters = given(0, "chars");
      return asValue(strip(str(operand), characters ? str(characters) : null, "both"));
    },
  ],
  ["int", numeric(true)],
  ["float", numeric(false)],
  [
    "length",
    ({ type, value }) => {
      if (type === "UndefinedValue") return asValue(0);
      if (type === "GeneratorValue") throw new Error("it counts what a filter finds one by one");
      return type === "StringValue" ? asValue([...(value as string)].length) : undefined;
    },
  ],
  [
    "last",
    ({ type, value }) => {
      if (type === "GeneratorValue") throw new Error("it asks for the last of what a filter finds");
      return Array.isArray(value) ? ((value as Value[]).at(-1) ?? asValue(undefined)) : undefined;
    },
  ],
  ["first", ({ value }) => (Array.isArray(value) ? (value[0] ?? asValue(undefined)) : undefined)],
  [
    "items",
    ({ type, value }) =>
      type === "ObjectValue" ? viewOf(value as Map<string, Value>, "items") : undefined,
  ],
  [
    "unique",
    ({ value }) => {
      if (!Array.isArray(value)) return undefined;
      const folded = (of: Value) =>
        of.type === "StringValue" ? asValue(str(of).toLowerCase()) : of;
      const items = (value as Value[]).map(folded);
      const isFirst = (_: Value, i: number) => items.findIndex((of) => equal(of, items[i])) === i;
      return listOf((value as Value[]).filter(isFirst));
    },
  ],
  [
    "join",
    ({ type, value }, given) => {
      const items =
        type === "StringValue" ? [...(value as string)].map(asValue) : (value as Value[]);
      if (given(1, "attribute"))
        throw new Error("it joins by an attribute, which is not supported");
      const between = given(0, "d");
      return asValue(items.map(str).join(between ? str(between) : ""));
    },
  ],
  [
    "tojson",
    ({ type }) => {
      if (ONE_BY_ONE.includes(type)) throw new Error("it writes what is no list as JSON");
      if (type === "UndefinedValue") throw new Error("it writes what is undefined as JSON");
      return undefined;
    },
  ],
]);

/** The time as Python's strftime writes it, in English. */
function strftime(format: string): string {
  const now = new Date();
  const two = (value: number) => String(value).padStart(2, "0");
  const named = (options: Intl.DateTimeFormatOptions) => now.toLocaleString("en-US", options);
  const parts: Record<string, () => string> = {
    Y: () => String(now.getFullYear()),
    y: () => two(now.getFullYear() % 100),
    m: () => two(now.getMonth() + 1),
    d: () => two(now.getDate()),
    H: () => two(now.getHours()),
    I: () => two(now.getHours() % 12 || 12),
    M: () => two(now.getMinutes()),
    S: () => two(now.getSeconds()),
    p: () => (now.getHours() < 12 ? "AM" : "PM"),
    B: () => named({ month: "long" }),
    b: () => named({ month: "short" }),
    A: () => named({ weekday: "long" }),
    a: () => named({ weekday: "short" }),
    "%": () => "%",
  };
  return format.replace(/%(.)/gsu, (code, letter: string) => {
    if (letter in parts) return parts[letter]();
    throw new Error(`it writes the time as ${code}, which is not supported`);
  });
}

export const GLOBALS = {
  ...{ true: true, false: false, none: null },
  ...{ True: true, False: false, None: null },
  raise_exception: (message: string) => {
    throw new Error(message);
  },
  strftime_now: strftime,
};

/** Methods, tests, filters and functions of Jinja that the library has otherwise, or not at all. */
import {
  asFloat,
  asValue,
  capitalize,
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

export const TESTS = new Map<string, (value: Value) => boolean>([
  ["number", ({ type }) => ["IntegerValue", "FloatValue", "BooleanValue"].includes(type)],
  [
    "iterable",
    ({ type }) => !/^(?:Null|Boolean|Integer|Float|Function|Namespace)Value$/.test(type),
  ],
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

export const FILTERS = new Map<string, Filter>([
  ["selectattr", lacking(true)],
  ["rejectattr", lacking(false)],
  ["string", (operand) => asValue(str(operand))],
  ["capitalize", (operand) => asValue(capitalize(str(operand)))],
  ["title", (operand) => asValue(title(str(operand)))],
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
      return type === "StringValue" ? asValue([...(value as string)].length) : undefined;
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
      if (type === "UndefinedValue") throw new Error("it writes what is undefined as JSON");
      return undefined;
    },
  ],
]);

/** As in the sandbox that transformers renders templates in. */
const LONGEST_RANGE = 100_000;

function range(...given: number[]): number[] {
  const [start, stop, step = 1] = given.length === 1 ? [0, given[0]] : given;
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!Number.isInteger(length) || length > LONGEST_RANGE) {
    throw new Error(`its range(${given.join(", ")}) is none of at most ${LONGEST_RANGE} numbers`);
  }
  return Array.from({ length }, (_, i) => start + i * step);
}

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
  range,
  strftime_now: strftime,
};

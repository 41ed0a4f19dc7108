/** What Python makes of the values of a Jinja template: their texts, and when two are equal. */
import { Environment, Interpreter } from "@huggingface/jinja";

/** A value of a template, as `@huggingface/jinja` keeps it. */
export type Value = ReturnType<Environment["lookupVariable"]>;

const converter = new Environment();

/** A value of a template for one of JavaScript. */
export function asValue(value: unknown): Value {
  converter.variables.clear();
  return converter.set("value", value);
}

/** A float, which 2 would not be. */
export function asFloat(value: number): Value {
  const literal = { type: "FloatLiteral", value };
  return new Interpreter().evaluate(literal, new Environment());
}

/** What a range has beside its numbers. */
export interface Range {
  /** As Python writes it. */
  text: string;
}

export const listOf = (items: Value[]): Value => Object.assign(asValue([]), { value: items });

/** `str(value)`, and nothing for what is undefined, as `{{ value }}` writes it. */
export function str(value: Value): string {
  if (value.type === "StringValue") return value.value as string;
  return value.type === "UndefinedValue" ? "" : repr(value);
}

/** `repr(value)`: as a value stands in a list. */
function repr(of: Value): string {
  const { type, value } = of;
  const listed = () => (value as Value[]).map(repr).join(", ");
  const fields = () =>
    [...(value as Map<string, Value>)].map(([key, of]) => `${quoted(key)}: ${repr(of)}`).join(", ");
  switch (type) {
    case "NullValue":
      return "None";
    case "BooleanValue":
      return value ? "True" : "False";
    case "IntegerValue":
      if (Number.isSafeInteger(value)) return String(value);
      throw new Error("it writes a whole number above 2 ** 53");
    case "RangeValue":
      return (of as unknown as Range).text;
    case "FloatValue":
      return float(value as number);
    case "StringValue":
      return quoted(value as string);
    case "ArrayValue":
      return `[${listed()}]`;
    case "TupleValue":
      return (value as Value[]).length === 1 ? `(${listed()},)` : `(${listed()})`;
    case "ObjectValue":
      return `{${fields()}}`;
    case "NamespaceValue":
      return `<Namespace {${fields()}}>`;
    case "UndefinedValue":
      return "Undefined";
    default:
      throw new Error(`it writes a ${type.replace("Value", "").toLowerCase()} as text`);
  }
}

/** The shortest decimal that reads back as x, which both languages look for, as Python sets it. */
function float(x: number): string {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf";
  const [digits, exponent] = x.toExponential().split("e");
  if (Number(exponent) < -4 || Number(exponent) >= 16) {
    return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
  }
  const text = Object.is(x, -0) ? "-0" : String(x);
  // from 1e-7 on JavaScript has an exponent where Python has none only above 1e-5
  return text.includes(".") ? text : `${text}.0`;
}

const ESCAPES: Record<string, string> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** A text with quotes around it. */
function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(/[\\']|[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, (character) => {
    if (character === "'") return quote === "'" ? "\\'" : character;
    if (character in ESCAPES) return ESCAPES[character];
    const hex = (character.codePointAt(0) as number).toString(16);
    if (hex.length <= 2) return `\\x${hex.padStart(2, "0")}`;
    return hex.length <= 4 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
  });
  return `${quote}${escaped}${quote}`;
}

const NUMBERS = ["IntegerValue", "FloatValue", "BooleanValue"];

/** `a == b`: numbers and truth values by what they count as, lists and objects by what they hold. */
export function equal(a: Value, b: Value): boolean {
  if (NUMBERS.includes(a.type) && NUMBERS.includes(b.type)) {
    return Number(a.value) === Number(b.value);
  }
  if (a.type !== b.type) return false;
  if (Array.isArray(a.value)) {
    const others = b.value as Value[];
    return a.value.length === others.length && a.value.every((of, i) => equal(of, others[i]));
  }
  if (a.type === "ObjectValue") {
    const [own, others] = [a.value, b.value] as Map<string, Value>[];
    const same = ([key, of]: [string, Value]) => others.has(key) && equal(of, others.get(key)!);
    return own.size === others.size && [...own].every(same);
  }
  return a.value === b.value;
}

/** What Python takes for white space: not what JavaScript does. */
const SPACE = "\\t-\\r\\x1c- \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

/** `text.strip(characters)`, or at one side only. */
export function strip(text: string, characters: string | null, sides: "both" | "left" | "right") {
  const set = characters === null ? SPACE : [...characters].map(RegExp.escape).join("");
  if (set === "") return text;
  const left = sides === "right" ? "" : text.match(new RegExp(`^[${set}]+`, "u"))?.[0];
  const kept = text.slice(left?.length ?? 0);
  if (sides === "left") return kept;
  let end = kept.length;
  const one = new RegExp(`[${set}]`, "u");
  for (const character of [...kept].reverse()) {
    if (!one.test(character)) break;
    end -= character.length;
  }
  return kept.slice(0, end);
}

/** `text.capitalize()`. */
export const capitalize = (text: string): string => {
  const [first = "", ...rest] = text;
  return first.toUpperCase() + rest.join("").toLowerCase();
};

/** `text.title()`: what begins a run of letters is large, and all else small. */
export const title = (text: string): string => text.replace(/\p{L}+/gu, capitalize);

/** `int(text)` and, where that fails, `int(float(text))`; null where both do. */
export function number(text: string, whole: boolean): number | null {
  const trimmed = strip(text, null, "both").replace(/(?<=\d)_(?=\d)/g, "");
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(trimmed)) return null;
  return whole ? Math.trunc(Number(trimmed)) : Number(trimmed);
}

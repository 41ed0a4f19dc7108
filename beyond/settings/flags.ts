/** One command-line flag: `learningRate` in a table is `--learning-rate` on the command line. */
export interface Flag<T> {
  default: T;
  /** The default with the embedded model, where it differs. */
  embedded?: T;
  /** The default when LoRA is trained, where it differs. */
  lora?: T;
  /** What the value is called in the help; a switch has none. */
  value?: string;
  /** A letter, or another name, that stands for the flag. */
  short?: string;
  help: string;
  /** Where the default comes from. */
  source: string;
  /** From the text of each occurrence to the value. Throws an Error that says what is expected. */
  parse: (texts: string[]) => T;
}

// biome-ignore lint/suspicious/noExplicitAny: a table holds flags of any type; SettingsOf recovers each
export type Flags = Record<string, Flag<any>>;

/** The values of a table of flags, each with its own type. */
export type SettingsOf<F extends Flags> = {
  [K in keyof F]: F[K] extends Flag<infer T> ? T : never;
};

/** The sections of a command's help; also all the flags the command takes. */
export type FlagGroups = Record<string, Flags>;

/** The flags of all sections. */
export const flagsOf = (groups: FlagGroups): Flags => Object.assign({}, ...Object.values(groups));

interface Range {
  min?: number;
  /** Exclusive lower bound. */
  above?: number;
  max?: number;
  /** Exclusive upper bound. */
  below?: number;
}

/** Of a question, or questions of a step: more is a slip of the hand, and would fill the memory. */
export const MOST_COMPLETIONS = 2 ** 16;

/** Whole numbers count something that is kept, or go to a GPU in 32 bits. */
const MOST = 2 ** 31 - 1;

const DECIMAL = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;

function toNumber(text: string, range: Range, whole: boolean): number {
  const number = DECIMAL.test(text) ? Number(text) : Number.NaN;
  const { min = -Infinity, above = -Infinity, below = Infinity } = range;
  const { max = whole ? MOST : Infinity } = range;
  const fits =
    Number.isFinite(number) && number >= min && number > above && number <= max && number < below;
  if (!fits || (whole && !Number.isSafeInteger(number))) {
    const bounds = [
      range.min !== undefined && `at least ${range.min}`,
      range.above !== undefined && `above ${range.above}`,
      (range.max !== undefined || number > max) && `at most ${max}`,
      range.below !== undefined && `below ${range.below}`,
    ].filter(Boolean);
    const kind = whole ? "a whole number" : "a number";
    throw new Error(`must be ${[kind, bounds.join(" and ")].join(" ").trim()}, not "${text}"`);
  }
  return number;
}

/** A flag that takes one value refuses a second one: which of the two was meant nobody can know. */
function once<T>(parse: (text: string) => T) {
  return ([text, ...more]: string[]): T => {
    if (more.length > 0) throw new Error("is given more than once");
    return parse(text);
  };
}

export function number(value: number, range: Range, help: string, source: string): Flag<number> {
  return {
    default: value,
    value: "x",
    help,
    source,
    parse: once((t) => toNumber(t, range, false)),
  };
}

export function integer(value: number, range: Range, help: string, source: string): Flag<number> {
  return { default: value, value: "n", help, source, parse: once((t) => toNumber(t, range, true)) };
}

const UNITS = ["", "K", "M", "G", "T"];

/** A number of bytes, such as 12GiB or 800MB. */
export function bytes(help: string, source: string): Flag<number> {
  const parse = (given: string) => {
    const [, amount, unit, binary] = /^(\d+\.?\d*)\s*([KMGT]?)(i?)B$/i.exec(given) ?? [];
    const size = Number(amount) * (binary ? 1024 : 1000) ** UNITS.indexOf(unit?.toUpperCase());
    if (!(size > 0)) throw new Error(`must be a size such as 12GiB, not "${given}"`);
    return size;
  };
  return { default: 0, value: "size", help, source, parse: once(parse) };
}

/** Several numbers joined by commas. */
export function numbers(one: Flag<number>, value: number[]): Flag<number[]> {
  const parse = (text: string) => text.split(",").map((part) => one.parse([part.trim()]));
  const { help, source } = one;
  return { default: value, value: `${one.value},...`, help, source, parse: once(parse) };
}

export function text(value: string, name: string, help: string, source: string): Flag<string> {
  const parse = (given: string) => {
    if (given === "") throw new Error("must not be empty");
    return given;
  };
  return { default: value, value: name, help, source, parse: once(parse) };
}

/** A text that may be given several times. */
export function texts(name: string, help: string, source: string): Flag<string[]> {
  const one = text("", name, help, source);
  const parse = (given: string[]) => given.map((value) => one.parse([value]));
  return { default: [], value: name, help, source, parse };
}

/** The same flag, refused unless its value has `part` in it. */
export function containing(part: string, flag: Flag<string>): Flag<string> {
  const parse = (texts: string[]) => {
    const value = flag.parse(texts);
    if (!value.includes(part)) throw new Error(`must have ${part} in it, not "${value}"`);
    return value;
  };
  return { ...flag, parse };
}

/** A JSON object. */
export function object(
  name: string,
  help: string,
  source: string,
): Flag<Record<string, unknown> | null> {
  const parse = (given: string) => {
    let value: unknown;
    try {
      value = JSON.parse(given);
    } catch {
      // reported below, as for valid JSON that is no object
    }
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
    throw new Error(`must be a JSON object, such as {"a": true}, not "${given}"`);
  };
  return { default: null, value: name, help, source, parse: once(parse) };
}

/** One of a few names. */
export function choice<const T extends string>(
  value: T,
  choices: readonly T[],
  help: string,
  source: string,
): Flag<T> {
  const parse = (given: string) => {
    const found = choices.find((name) => name === given);
    if (!found) throw new Error(`must be ${choices.join(" or ")}, not "${given}"`);
    return found;
  };
  return { default: value, value: choices.join("|"), help, source, parse: once(parse) };
}

/** Several of a few names, joined by commas. */
export function choices<const T extends string>(
  all: readonly T[],
  help: string,
  source: string,
): Flag<readonly T[]> {
  const one = choice(all[0], all, help, source);
  const parse = (given: string) => given.split(",").map((name) => one.parse([name.trim()]));
  return { default: all, value: "name,...", help, source, parse: once(parse) };
}

/** The same flag, null unless given. */
export function optional<T>(flag: Flag<T>): Flag<T | null> {
  return { ...flag, default: null };
}

/** A flag without a value, off unless given. */
export function toggle(help: string): Flag<boolean> {
  return { default: false, help, source: "", parse: once(() => true) };
}

export const optionName = (key: string) => key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);

export type UnionToIntersection<U> = (U extends unknown ? (u: U) => void : never) extends (
  intersection: infer I,
) => void
  ? I
  : never;
/** The values of all sections of a command's flags. */
export type SettingsIn<G extends FlagGroups> =
  UnionToIntersection<G[keyof G]> extends infer F extends Flags ? SettingsOf<F> : never;

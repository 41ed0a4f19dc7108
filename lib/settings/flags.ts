import { parseArgs } from "node:util";
import { UserError } from "../errors.ts";

/** One command-line flag: `learningRate` in a table is `--learning-rate` on the command line. */
export interface Flag<T> {
  default: T;
  /** The default with the embedded model, where it differs. */
  embedded?: T;
  /** The default when LoRA is trained, where it differs. */
  lora?: T;
  /** What the value is called in the help; a switch has none. */
  value?: string;
  /** A single letter that stands for the flag. */
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

interface Range {
  min?: number;
  /** Exclusive lower bound. */
  above?: number;
  max?: number;
  /** Exclusive upper bound. */
  below?: number;
}

const DECIMAL = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;

function toNumber(text: string, range: Range, whole: boolean): number {
  const number = DECIMAL.test(text) ? Number(text) : Number.NaN;
  const { min = -Infinity, above = -Infinity, max = Infinity, below = Infinity } = range;
  const fits =
    Number.isFinite(number) && number >= min && number > above && number <= max && number < below;
  if (!fits || (whole && !Number.isSafeInteger(number))) {
    const bounds = [
      range.min !== undefined && `at least ${range.min}`,
      range.above !== undefined && `above ${range.above}`,
      range.max !== undefined && `at most ${range.max}`,
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

/** Names other tools use for what has another name here. */
const SYNONYMS: Record<string, string> = {
  lr: "learning-rate",
  steps: "max-steps",
  "batch-size": "prompts-per-step",
  "group-size": "num-generations",
  "max-new-tokens": "max-completion-length",
  "max-tokens": "max-completion-length",
  "kl-coef": "beta",
  config: "subset",
  "dataset-config": "subset",
  "dataset-name": "data",
  "dataset-train-split": "split",
  "dataset-test-split": "eval-split",
  output: "output-dir",
  out: "output-dir",
};

/** The name nearest to what was typed (edit distance), if any is near. */
export function nearest(typed: string, names: readonly string[]): string | null {
  if (names.includes(SYNONYMS[typed])) return SYNONYMS[typed];
  const distances = names.map((name) => editDistance(typed, name));
  const best = distances.indexOf(Math.min(...distances));
  // a letter or two are near to every short name
  const near = typed.length > 2 && distances[best] <= Math.max(2, typed.length / 3);
  return near ? names[best] : null;
}

/** Levenshtein's distance, a swap of neighbours counting as one edit. */
function editDistance(a: string, b: string): number {
  let [before, row] = [[] as number[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + cost);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) next[j] = Math.min(next[j], before[j - 2] + 1);
    }
    [before, row] = [row, next];
  }
  return row[b.length];
}

/**
 * Reads the arguments of one command. Nothing is ignored: an unknown flag, a missing or unusable value
 * and a value for a switch are errors. `given` tells what the user typed from what is a default, and
 * `texts` has it as it was typed.
 */
export function parseFlags(groups: FlagGroups, args: string[]) {
  const flags: Flags = Object.assign({}, ...Object.values(groups));
  const keyOf = new Map(Object.keys(flags).map((key) => [optionName(key), key]));
  const { tokens } = parseArgs({
    args,
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: Object.fromEntries(
      [...keyOf].map(([name, key]) => {
        const { value, short } = flags[key];
        return [name, { type: value ? "string" : "boolean", ...(short && { short }) }];
      }),
    ),
  });
  const positionals: string[] = [];
  const texts = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const key = keyOf.get(token.name);
    if (key === undefined) {
      const hint = nearest(token.name, [...keyOf.keys()]);
      const fix = hint ? `did you mean --${hint}?` : "see --help for those there are";
      throw new UserError(`unknown flag ${token.rawName}; ${fix}`);
    }
    const { value } = flags[key];
    if (!value && token.value !== undefined) throw new UserError(`${token.rawName} takes no value`);
    if (value && (token.value === undefined || /^--[a-z]/.test(token.value))) {
      if (!token.inlineValue) throw new UserError(`${token.rawName} needs a value: <${value}>`);
    }
    texts.set(key, [...(texts.get(key) ?? []), token.value ?? ""]);
  }
  const given: Record<string, unknown> = {};
  for (const [key, values] of texts) {
    try {
      given[key] = flags[key].parse(values);
    } catch (error) {
      throw new UserError(`--${optionName(key)} ${(error as Error).message}`);
    }
  }
  return { flags, given, positionals, texts };
}

/** The help of a command's flags, section by section, each default with its source. */
export function describeFlags(groups: FlagGroups): string {
  return Object.entries(groups)
    .map(([title, flags]) => {
      const lines = Object.entries(flags).map(([key, flag]) => {
        const short = flag.short ? `-${flag.short}, ` : "";
        const head = `  ${short}--${optionName(key)}${flag.value ? ` <${flag.value}>` : ""}`;
        const body = wrap([flag.help, ...defaultsOf(flag)].join(" "), 68, " ".repeat(30));
        return head.length < 29 ? head.padEnd(30) + body : `${head}\n${" ".repeat(30)}${body}`;
      });
      return [`${title}:`, ...lines].join("\n");
    })
    .join("\n\n");
}

function defaultsOf({ default: value, embedded, lora, source }: Flag<unknown>): string[] {
  if (!source) return [];
  if (value === null || (Array.isArray(value) && value.length === 0))
    return [`Default: ${source}.`];
  const other = embedded === undefined ? "" : `; ${shown(embedded)} for the embedded model`;
  const adapted = lora === undefined ? "" : `; ${shown(lora)} with LoRA`;
  return [`Default ${shown(value)} (${source})${adapted}${other}.`];
}

function shown(value: unknown): string {
  const tiny = typeof value === "number" && value !== 0 && Math.abs(value) < 1e-3;
  return tiny ? value.toExponential() : String(value);
}

function wrap(words: string, width: number, indent: string): string {
  const lines = [""];
  for (const word of words.split(" ")) {
    const line = lines[lines.length - 1];
    if (line && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line ? `${line} ${word}` : word;
  }
  return lines.join(`\n${indent}`);
}

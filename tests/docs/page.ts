/**
 * What a page of docs/ says in a form that a test can check: its worked examples and its quotations.
 *
 *     ```worked NAME              name = numbers                   given
 *     ...                         name = expression = numbers      computed, rounded to the decimals printed
 *     ```
 *
 *     ```wgsl FILE FUNCTION       lines that stand in FUNCTION of FILE, in this order (`ts` likewise)
 *     ...
 *     ```
 *
 * A value is a vector (a number is one of length 1). Operators work element by element; `x[1]` is the first
 * element; a list in brackets is joined: `(a, b)`.
 */

type Vector = readonly number[];

const FUNCTIONS: Record<string, (...args: Vector[]) => Vector> = {
  sum: (x) => [total(x)],
  mean: (x) => [total(x) / x.length],
  dot: (x, y) => [total(elementwise(x, y, (a, b) => a * b))],
  exp: (x) => x.map(Math.exp),
  log: (x) => x.map(Math.log),
  sqrt: (x) => x.map(Math.sqrt),
  cos: (x) => x.map(Math.cos),
  sin: (x) => x.map(Math.sin),
  largest: (x) => [Math.max(...x)],
  min: (x, y) => elementwise(x, y, Math.min),
  max: (x, y) => elementwise(x, y, Math.max),
};

const total = (x: Vector) => x.reduce((a, b) => a + b, 0);

function elementwise(x: Vector, y: Vector, f: (a: number, b: number) => number): Vector {
  const length = Math.max(x.length, y.length);
  if (![1, length].includes(x.length) || ![1, length].includes(y.length)) {
    throw new Error(`vectors of lengths ${x.length} and ${y.length} do not go together`);
  }
  return Array.from({ length }, (_, i) => f(x[x.length === 1 ? 0 : i], y[y.length === 1 ? 0 : i]));
}

/** The value of an expression over named vectors. */
export function evaluate(text: string, names: ReadonlyMap<string, Vector>): Vector {
  const tokens = text.match(/\d+(\.\d+)?(e-?\d+)?|\w+|[^\s]/g) ?? [];
  let at = 0;
  const taken = (token: string) => tokens[at] === token && at++ >= 0;
  const need = (token: string) => {
    if (!taken(token)) throw new Error(`"${text}": ${token} expected, not ${tokens[at]}`);
  };

  function list(): Vector[] {
    const values = [sum()];
    while (taken(",")) values.push(sum());
    return values;
  }
  function sum(): Vector {
    let value = product();
    for (;;) {
      if (taken("+")) value = elementwise(value, product(), (a, b) => a + b);
      else if (taken("-")) value = elementwise(value, product(), (a, b) => a - b);
      else return value;
    }
  }
  function product(): Vector {
    let value = signed();
    for (;;) {
      if (taken("*")) value = elementwise(value, signed(), (a, b) => a * b);
      else if (taken("/")) value = elementwise(value, signed(), (a, b) => a / b);
      else return value;
    }
  }
  function signed(): Vector {
    if (taken("-")) return signed().map((a) => -a);
    const base = atom();
    return taken("^") ? elementwise(base, signed(), (a, b) => a ** b) : base;
  }
  function atom(): Vector {
    if (taken("(")) {
      const values = list().flat();
      need(")");
      return values;
    }
    const token = tokens[at++];
    if (/^\d/.test(token)) return [Number(token)];
    if (taken("(")) {
      const args = list();
      need(")");
      if (!(token in FUNCTIONS)) throw new Error(`"${text}": no function ${token}`);
      return FUNCTIONS[token](...args);
    }
    const value = names.get(token);
    if (value === undefined) throw new Error(`"${text}": ${token} was not given`);
    if (!taken("[")) return value;
    const index = Number(tokens[at++]);
    need("]");
    if (value[index - 1] === undefined)
      throw new Error(`"${text}": ${token} has no element ${index}`);
    return [value[index - 1]];
  }

  const value = list().flat();
  if (at < tokens.length) throw new Error(`"${text}": ${tokens[at]} is too much`);
  return value;
}

/** Every value of a worked example, computed from what is given; what does not hold is thrown. */
export function work(lines: readonly string[]): Map<string, Float64Array> {
  const names = new Map<string, Vector>();
  for (const line of lines) {
    const [name, expression, printed] = line.split("=").map((part) => part.trim());
    if (!/^\w+$/.test(name) || expression === undefined || names.has(name)) {
      throw new Error(`"${line}": not "name = ...", or said before`);
    }
    if (printed === undefined && !/^[-\d., e]+$/.test(expression)) {
      throw new Error(`"${line}": no numbers after the formula`);
    }
    const value = evaluate(expression, names);
    names.set(name, value);
    if (printed === undefined) continue;
    const numbers = printed.split(",").map((number) => number.trim());
    const holds =
      numbers.length === value.length &&
      numbers.every((number, i) => {
        const decimals = number.split(".")[1]?.length ?? 0;
        return Math.abs(Number(number) - value[i]) <= 0.500001 * 10 ** -decimals;
      });
    if (!holds) throw new Error(`"${line}": it is ${value.join(", ")}`);
  }
  return new Map([...names].map(([name, value]) => [name, Float64Array.from(value)]));
}

export interface Fence {
  /** The words after the three backticks. */
  readonly words: readonly string[];
  /** Without empty ones. */
  readonly lines: readonly string[];
}

/** The fenced blocks of a Markdown text. */
export function fences(markdown: string): Fence[] {
  return [...markdown.matchAll(/^```(.+)\n([\s\S]*?)^```$/gm)].map(([, info, body]) => ({
    words: info.trim().split(/\s+/),
    lines: body.split("\n").filter((line) => line.trim() !== ""),
  }));
}

/** The text of a function of a WGSL or TypeScript source, its comment apart; undefined if it has none of that name. */
export function functionText(source: string, name: string): string | undefined {
  return source.match(new RegExp(`^(export )?(fn|function) ${name}\\([\\s\\S]*?^}`, "m"))?.[0];
}

/** The first of `lines` that does not stand in `text` after those before it, spaces apart. */
export function firstMissing(lines: readonly string[], text: string): string | undefined {
  const stored = text.split("\n").map((line) => line.trim());
  let from = 0;
  for (const line of lines) {
    const at = stored.indexOf(line.trim(), from);
    if (at === -1) return line.trim();
    from = at + 1;
  }
  return undefined;
}

/**
 * From the text of an answer, LaTeX or plain, to a tree. Everything it does not understand is an error,
 * and such an answer is then compared as text: nothing is guessed. The keys printed by `sum.ts` are
 * plain text that it reads too.
 */
import { type Rational, rational, TooMuch } from "./rational.ts";
import { readNumber, type Token, tokenize } from "./tokens.ts";

export type Node =
  | { op: "number"; value: Rational }
  | { op: "symbol"; name: string }
  | { op: "text"; text: string }
  /** `call`: name is the function; `relation`: name is the sign; `interval`: name is both brackets. */
  | { op: Operation; name: string; args: Node[] };
type Operation =
  | "add"
  | "multiply"
  | "power"
  | "call"
  | "plusminus"
  | "relation"
  | "chain"
  | "list"
  | "set"
  | "tuple"
  | "interval"
  | "union"
  | "matrix";

export class NotMath extends Error {}

export const node = (op: Operation, args: Node[], name = ""): Node => ({ op, name, args });
export const number = (p: bigint, q = 1n): Node => ({ op: "number", value: rational(p, q) });
const symbol = (name: string): Node => ({ op: "symbol", name });
const minusOne = number(-1n);
const negative = (a: Node) => node("multiply", [minusOne, a]);
const quotient = (a: Node, b: Node) => node("multiply", [a, node("power", [b, minusOne])]);

const FUNCTIONS = new Set(
  (
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh exp ln log sqrt abs floor ceil " +
    "gcd lcm max min binom factorial overline re im arg det"
  ).split(" "),
);
const NAMES = new Set(
  (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi rho " +
    "sigma tau phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega hbar ell oo"
  ).split(" "),
);
const RELATIONS: Record<string, string> = {
  "=": "=",
  "<": "<",
  ">": ">",
  "\\lt": "<",
  "\\gt": ">",
  "\\le": "<=",
  "\\leq": "<=",
  "\\leqslant": "<=",
  "<=": "<=",
  "\\ge": ">=",
  "\\geq": ">=",
  "\\geqslant": ">=",
  ">=": ">=",
  "\\ne": "!=",
  "\\neq": "!=",
  "!=": "!=",
};
const CLOSING: Record<string, string> = {
  "(": ")",
  "[": "]",
  "\\{": "\\}",
  "\\langle": "\\rangle",
};

const MAX_DEPTH = 40;

/** Reads an answer that `clean` has freed of markup. Throws NotMath or TooMuch. */
export function parse(text: string): Node {
  return new Parser(tokenize(text)).answer();
}

class Parser {
  private at = 0;
  private depth = 0;

  constructor(private readonly tokens: Token[]) {}

  /** A whole answer: one thing, or several separated by commas, semicolons, "and" or "or". */
  answer(): Node {
    const items = this.items();
    if (this.peek().kind !== "end") this.fail();
    const separator = this.tokens.some(({ text }) => /^\s*or\s*$/.test(text)) ? "or" : ",";
    return items.length === 1 ? items[0] : node("list", items, separator);
  }

  private items(): Node[] {
    const items = [this.union()];
    while (this.isSeparator()) {
      this.at++;
      // "1, 2, and 3"
      while (this.isSeparator()) this.at++;
      items.push(this.union());
    }
    return items;
  }

  private isSeparator(): boolean {
    const { kind, text } = this.peek();
    if (kind === "text" || kind === "letters") return /^\s*(and|or)\s*$/.test(text);
    return (kind === "sign" && /^[,;]$/.test(text)) || text === "\\lor" || text === "\\vee";
  }

  private union(): Node {
    const parts = [this.relation()];
    while (this.take("\\cup") || this.take("\u222a")) parts.push(this.relation());
    return parts.length === 1 ? parts[0] : node("union", parts);
  }

  private relation(): Node {
    const sides = [this.sum()];
    const signs: string[] = [];
    while (RELATIONS[this.peek().text]) {
      signs.push(RELATIONS[this.next().text]);
      sides.push(this.sum());
    }
    if (this.take("\\in") || this.take("\u2208")) {
      if (signs.length > 0 || sides[0].op !== "symbol") this.fail();
      return this.union();
    }
    if (signs.length === 0) return sides[0];
    return node(signs.length === 1 ? "relation" : "chain", sides, signs.join(" "));
  }

  private sum(): Node {
    this.deeper();
    const terms: Node[] = [];
    for (let first = true; first || /^(?:[-+\u00b1]|\\pm)$/.test(this.peek().text); first = false) {
      if (this.take("\\pm") || this.take("\u00b1")) {
        terms.push(node("plusminus", [this.product()]));
        continue;
      }
      const minus = this.take("-");
      if (!minus) this.take("+");
      const term = this.product();
      terms.push(minus ? negative(term) : term);
    }
    this.depth--;
    return join(terms);
  }

  private product(): Node {
    let value = this.signed();
    for (;;) {
      if (this.take("*") || this.take("\\cdot") || this.take("\\times") || this.take("\u00d7")) {
        value = node("multiply", [value, this.signed()]);
      } else if (this.take("/") || this.take("\\div") || this.take("\u00f7")) {
        value = quotient(value, this.signed());
      } else if (this.startsFactor()) {
        value = this.besides(value);
      } else return value;
    }
  }

  /** Two factors side by side are a product, except 1\frac{1}{2} and 1 1/2, which are mixed numbers. */
  private besides(value: Node): Node {
    const before = this.tokens[this.at - 1];
    const whole = value.op === "number" && before.kind === "number" && /^\d+$/.test(before.text);
    const { kind, text } = this.peek();
    if (whole && text === "\\frac") {
      const fraction = this.primary();
      if (isProperFraction(fraction)) return this.suffixed(node("add", [value, fraction]));
      return node("multiply", [value, this.suffixed(fraction)]);
    }
    if (kind === "number" && (before.kind === "number" || before.text === "}")) {
      const [, slash, bottom] = this.tokens.slice(this.at);
      if (!whole || slash?.text !== "/" || bottom?.kind !== "number") this.fail();
      const top = this.primary();
      this.at++;
      return this.suffixed(node("add", [value, quotient(top, this.primary())]));
    }
    return node("multiply", [value, this.postfix()]);
  }

  private signed(): Node {
    if (this.take("-")) return negative(this.signed());
    if (this.take("+")) return this.signed();
    return this.postfix();
  }

  private startsFactor(): boolean {
    const { kind, text } = this.peek();
    if (kind === "number") return true;
    if (kind === "letters") return !this.isSeparator();
    if (kind === "command") {
      return (
        !RELATIONS[text] &&
        !/^\\(?:cup|in|pm|lor|vee|rangle|\}|\\|%|end|right|r?ceil|r?floor|rvert|\|)$/.test(text)
      );
    }
    return (
      kind === "sign" && (text === "(" || text === "{" || /[\u221a\u03c0\u221e\u2220]/.test(text))
    );
  }

  /** A factor with what stands behind it: powers, factorials, degrees, percent. */
  private postfix(): Node {
    return this.suffixed(this.primary());
  }

  private suffixed(bare: Node): Node {
    let value = bare;
    for (;;) {
      if (this.take("^")) {
        if (this.isDegree()) value = node("call", [value], "degrees");
        else value = node("power", [value, this.exponent()]);
      } else if (this.take("\u00b0") || this.take("\\degree")) {
        value = node("call", [value], "degrees");
      } else if (this.take("!")) value = node("call", [value], "factorial");
      else if (this.take("\\%") || this.take("%")) value = quotient(value, number(100n));
      else return value;
    }
  }

  /** a^b^c is a^(b^c) where it stands without braces. */
  private exponent(): Node {
    this.deeper();
    let value = this.argument();
    if (this.take("^")) value = node("power", [value, this.exponent()]);
    this.depth--;
    return value;
  }

  private isDegree(): boolean {
    if (this.take("\\circ")) return true;
    const [open, circle, close] = this.tokens.slice(this.at, this.at + 3);
    if (open?.text !== "{" || circle?.text !== "\\circ" || close?.text !== "}") return false;
    this.at += 3;
    return true;
  }

  /** What a command applies to: a group in braces, or one digit, letter or command as TeX has it. */
  private argument(): Node {
    if (this.peek().text === "{") return this.group("{", "}");
    if (this.take("-")) return negative(this.argument());
    const token = this.peek();
    if (token.kind === "number" && token.text.length > 1 && this.tokens[this.at - 1].text !== "^") {
      // \frac12: one digit at a time
      this.tokens.splice(
        this.at,
        1,
        ...[...token.text].map((text): Token => {
          if (!/\d/.test(text)) throw new NotMath(text);
          return { kind: "number", text };
        }),
      );
    }
    return this.primary();
  }

  private group(open: string, close: string): Node {
    this.expect(open);
    this.deeper();
    const value = this.sum();
    this.depth--;
    this.expect(close);
    return value;
  }

  private primary(): Node {
    this.deeper();
    const value = this.atom();
    this.depth--;
    return value;
  }

  private atom(): Node {
    const token = this.next();
    if (token.kind === "number") return this.subscripted(this.numeral(token), token.text);
    if (token.kind === "letters") return this.letters(token);
    if (token.kind === "command") return this.command(token.text);
    const { text } = token;
    if (text === "{") {
      this.at--;
      return this.group("{", "}");
    }
    if (text === "(" || text === "[") return this.brackets(text);
    if (text === "|") return node("call", [this.closed("|")], "abs");
    if (text === "\u221a") return node("call", [this.argument()], "sqrt");
    if (text === "\u03c0") return symbol("pi");
    if (text === "\u221e") return symbol("oo");
    return this.fail();
  }

  private numeral(token: Token): Node {
    const value = readNumber(token);
    return value ? { op: "number", value } : this.fail();
  }

  private closed(close: string): Node {
    const value = this.sum();
    this.expect(close);
    return value;
  }

  /** (a), a pair, a half-open interval: what it is shows at the closing bracket. */
  private brackets(open: string): Node {
    if (open === "(" && this.take(")")) return node("tuple", []);
    this.deeper();
    const items = this.items();
    this.depth--;
    const close = this.next().text;
    if (!/^[)\]]$/.test(close)) this.fail();
    if (items.length === 1 && open === "(" && close === ")") return items[0];
    const rows = items.every((item) => item.op === "interval" || item.op === "matrix");
    if (open === "[" && close === "]" && rows) {
      return node(
        "matrix",
        items.map((row) => node("tuple", row.op === "interval" ? row.args : matrixRow(row))),
      );
    }
    if (open === "(" && close === ")") return node("tuple", items);
    if (items.length === 2) return node("interval", items, open + close);
    if (open === "[" && close === "]") return node("matrix", [node("tuple", items)]);
    return this.fail();
  }

  private letters({ text }: Token): Node {
    if (NAMES.has(text)) return this.subscripted(symbol(text), text);
    const name = FUNCTIONS.has(text)
      ? text
      : [...FUNCTIONS].find((f) => f.length > 1 && text.startsWith(f));
    if (name) {
      if (text !== name) this.splice(text.slice(name.length));
      return this.call(name);
    }
    if (text.length > 3 && (text.length > 6 || /[aeiouy]/.test(text))) throw new NotMath(text);
    if (text.length > 1) this.splice(text.slice(1));
    return this.subscripted(symbol(text[0]), text[0]);
  }

  private splice(rest: string): void {
    this.tokens.splice(this.at, 0, { kind: "letters", text: rest });
  }

  /** Subscripts belong to the name: x_1, k_B, and 1011_2 for a number in another base. */
  private subscripted(value: Node, name: string): Node {
    if (!this.take("_")) return value;
    const parts: string[] = [];
    if (this.take("{")) {
      while (!this.take("}")) {
        const { kind, text } = this.next();
        if (!/^(?:number|letters|text)$/.test(kind) && text !== ",") this.fail();
        parts.push(text.trim());
      }
    } else {
      const { kind, text } = this.next();
      if (kind !== "number" && kind !== "letters") this.fail();
      parts.push(kind === "letters" ? text[0] : text);
      if (kind === "letters" && text.length > 1) this.splice(text.slice(1));
    }
    const subscript = parts.join("");
    return symbol(subscript.length === 1 ? `${name}_${subscript}` : `${name}_{${subscript}}`);
  }

  private call(name: string): Node {
    if (name === "sqrt" && this.peek().text === "[") {
      this.at++;
      const index = this.closed("]");
      return node("power", [this.argument(), node("power", [index, minusOne])]);
    }
    let base: Node | null = null;
    let exponent: Node | null = null;
    for (;;) {
      if (name === "log" && this.take("_")) base = this.argument();
      else if (this.take("^")) exponent = this.argument();
      else break;
    }
    const args = this.callArguments(name);
    const value = node("call", base ? [...args, base] : args, name);
    if (!exponent) return value;
    const inverse = exponent.op === "multiply" && name.length === 3 && isMinusOne(exponent);
    return inverse ? node("call", args, `arc${name}`) : node("power", [value, exponent]);
  }

  private callArguments(name: string): Node[] {
    if (this.peek().text === "(" || this.peek().text === "[") {
      const close = CLOSING[this.next().text];
      this.deeper();
      const items = this.items();
      this.depth--;
      this.expect(close);
      return items;
    }
    if (this.peek().text === "{") return [this.group("{", "}")];
    if (name === "sqrt") return [this.argument()];
    if (!/^(?:sin|cos|tan|cot|sec|csc|arc...|ln|log|exp|sinh|cosh|tanh)$/.test(name)) this.fail();
    // sin 2x, ln 3: numbers and letters that follow, up to the next function
    const minus = this.take("-");
    let value = this.postfix();
    while (this.peek().kind !== "number" && this.startsFactor() && !this.startsCall()) {
      value = node("multiply", [value, this.postfix()]);
    }
    if (this.peek().text === "/" && /^(?:number|letters)$/.test(this.peek(1).kind)) {
      this.at++;
      value = quotient(value, this.postfix());
    }
    return [minus ? negative(value) : value];
  }

  private startsCall(): boolean {
    const { kind, text } = this.peek();
    const name = kind === "command" ? text.slice(1) : text;
    return text === "(" || FUNCTIONS.has(name) || (kind === "command" && name === "sqrt");
  }

  private command(text: string): Node {
    const name = text.slice(1);
    if (name === "frac") return quotient(this.argument(), this.argument());
    if (name === "binom") return node("call", [this.argument(), this.argument()], "binom");
    if (name === "overline" || name === "bar") return node("call", [this.argument()], "overline");
    if (name === "begin") return this.matrix();
    if (name === "{") return this.set();
    if (name === "langle") {
      const items = this.items();
      this.expect("\\rangle");
      return node("tuple", items);
    }
    if (name === "infty") return symbol("oo");
    if (name === "emptyset" || name === "varnothing") return node("set", []);
    if (name === "lfloor") return node("call", [this.closed("\\rfloor")], "floor");
    if (name === "lceil") return node("call", [this.closed("\\rceil")], "ceil");
    if (name === "lvert") return node("call", [this.closed("\\rvert")], "abs");
    if (FUNCTIONS.has(name)) return this.call(name);
    if (NAMES.has(name)) return this.subscripted(symbol(name), name);
    return this.fail();
  }

  private set(): Node {
    if (this.take("\\}")) return node("set", []);
    const items = this.items();
    this.expect("\\}");
    return node("set", items);
  }

  /** \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}, also bmatrix, vmatrix and the like. */
  private matrix(): Node {
    const kind = this.environment();
    if (!/^[pbBvV]?(?:small)?matrix$|^array$/.test(kind)) this.fail();
    if (kind === "array" && this.take("{")) while (!this.take("}")) this.next();
    const rows: Node[][] = [[]];
    while (!this.take("\\end")) {
      rows[rows.length - 1].push(this.sum());
      if (this.take("&")) continue;
      if (this.take("\\\\")) {
        if (this.peek().text !== "\\end") rows.push([]);
      } else if (this.peek().text !== "\\end") this.fail();
    }
    this.environment();
    const matrix = node(
      "matrix",
      rows.map((row) => node("tuple", row)),
    );
    return /^[vV]/.test(kind) ? node("call", [matrix], "det") : matrix;
  }

  private environment(): string {
    this.expect("{");
    const { text } = this.next();
    this.expect("}");
    return text;
  }

  private peek(ahead = 0): Token {
    return this.tokens[this.at + ahead] ?? { kind: "end", text: "" };
  }

  private next(): Token {
    const token = this.peek();
    if (token.kind === "end") this.fail();
    this.at++;
    return token;
  }

  private take(text: string): boolean {
    const token = this.peek();
    if (token.text !== text || token.kind === "text") return false;
    this.at++;
    return true;
  }

  private expect(text: string): void {
    if (!this.take(text)) this.fail();
  }

  private deeper(): void {
    if (++this.depth > MAX_DEPTH) throw new TooMuch("deep nesting");
  }

  private fail(): never {
    throw new NotMath(`at "${this.peek().text}"`);
  }
}

const join = (terms: Node[]): Node => (terms.length === 1 ? terms[0] : node("add", [...terms]));

const isMinusOne = ({ args }: { args: Node[] }) =>
  args.every((arg) => arg.op === "number" && arg.value[0] ** 2n === 1n && arg.value[1] === 1n);

function isProperFraction(value: Node): boolean {
  if (value.op !== "multiply") return false;
  const [top, power] = value.args;
  if (power.op !== "power") return false;
  return top.op === "number" && power.args[0].op === "number";
}

function matrixRow(matrix: Node): Node[] {
  return matrix.op === "matrix" && matrix.args[0].op === "tuple" ? matrix.args[0].args : [];
}

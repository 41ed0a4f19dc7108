/**
 * The smallest parts of an expression: numbers, names with their subscripts, brackets, functions and
 * what they apply to, fractions, matrices.
 */
import { Cursor } from "./cursor.ts";
import { BASES, FUNCTIONS, NAMES } from "./names.ts";
import { readNumber, type Token } from "./tokens.ts";
import { minusOne, type Node, NotMath, negative, node, number, quotient, symbol } from "./tree.ts";

const CONSTANT = /^(?:pi|e|i|oo)$/;
const CLOSING: Record<string, string> = {
  "(": ")",
  "[": "]",
  "\\{": "\\}",
  "\\langle": "\\rangle",
};

export abstract class Atoms extends Cursor {
  /** What stands between separators. */
  protected abstract items(): Node[];
  protected abstract sum(): Node;
  /** A factor with its powers, and whether another one follows. */
  protected abstract postfix(): Node;
  protected abstract startsFactor(): boolean;

  /** What a command applies to: a group in braces, or one digit, letter or command as TeX has it. */
  protected argument(): Node {
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

  protected group(open: string, close: string): Node {
    this.expect(open);
    this.deeper();
    const value = this.sum();
    this.depth--;
    this.expect(close);
    return value;
  }

  protected primary(): Node {
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
    if (text === "(" || text === "[" || text === "]") return this.brackets(text);
    if (text === "|") return node("call", [this.closed("|")], "abs");
    if (text === "\u221a") return node("call", [this.primary()], "sqrt");
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
    // ]1,2[ is how the French write (1,2)
    if (open === "]" || close === "[") {
      if (items.length !== 2 || !/^[)[\]]$/.test(close)) this.fail();
      const sides = `${open === "]" ? "(" : open}${close === "[" ? ")" : close}`;
      return sides === "()" ? node("tuple", items) : node("interval", items, sides);
    }
    if (!/^[)\]]$/.test(close)) this.fail();
    if (items.length === 1 && open === "(" && close === ")") {
      // (1011)_2
      const [before, digits] = this.tokens.slice(this.at - 3);
      const isBare = before?.text === "(" && digits.kind === "number";
      return isBare ? this.subscripted(items[0], digits.text) : items[0];
    }
    const rows = items.every((item) => item.op === "interval" || item.op === "matrix");
    // an array that somebody has set between brackets is a matrix already
    const [only] = items;
    if (items.length === 1 && only.op === "matrix" && only.args.length > 1) return only;
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

  private letters(token: Token): Node {
    const { text } = token;
    if (NAMES.has(text)) return this.applied(this.subscripted(symbol(text), text), token);
    const name = FUNCTIONS.has(text)
      ? text
      : [...FUNCTIONS].find((f) => f.length > 1 && text.startsWith(f));
    if (name) {
      if (text !== name) this.splice(text.slice(name.length));
      return this.call(name);
    }
    if (text.length > 3 && (text.length > 6 || /[aeiouy]/.test(text))) throw new NotMath(text);
    if (text.length > 1) this.splice(text.slice(1));
    const letter = this.subscripted(symbol(text[0]), text[0]);
    return this.combinations(letter) ?? this.applied(letter, token);
  }

  /** C_{10}^3 and C(10,3): how many ways there are to choose 3 of 10. */
  private combinations(name: Node): Node | null {
    const n = name.op === "symbol" && /^C_\{?(\d+)\}?$/.exec(name.name)?.[1];
    if (!n || !this.take("^")) return null;
    return node("call", [number(BigInt(n)), this.argument()], "binom");
  }

  /**
   * f(x + 1) is a function's value, x(x + 1) is a product. What f, g and h stand before is their argument, and so
   * is a number, a letter, or several things in brackets: I(0), P(A), C(6,3).
   */
  private applied(name: Node, { isRest }: Token): Node {
    if (name.op !== "symbol" || CONSTANT.test(name.name)) return name;
    const isFunction = /^[fghFGH](?![a-zA-Z])/.test(name.name) && !isRest;
    let text = name.name;
    while (this.take("'")) text += "'";
    const isDerived = text !== name.name;
    const inverse = ["^", "{", "-", "1", "}", "("].every((sign, i) => this.peek(i).text === sign);
    if (inverse && isFunction) {
      this.at += 5;
      text += "^{-1}";
    }
    const isApplied = isFunction || isDerived || this.isOneThingInBrackets();
    if (this.peek().text !== "(" || !isApplied) return isDerived ? symbol(text) : name;
    this.at++;
    this.deeper();
    const args = this.items();
    this.depth--;
    this.expect(")");
    const chosen = text === "C" && args.length === 2 && args.every(({ op }) => op === "number");
    return node("call", args, chosen ? "binom" : text);
  }

  private isOneThingInBrackets(): boolean {
    let at = this.peek(1).text === "-" ? 2 : 1;
    const first = this.peek(at);
    const isOne = first.kind === "number" || NAMES.has(first.text.replace("\\", ""));
    if ((isOne || /^[a-zA-Z]$/.test(first.text)) && this.peek(at + 1).text === ")") return true;
    for (let depth = 1; depth > 0; at++) {
      const { kind, text } = this.peek(at);
      if (kind === "end") return false;
      if (text === "(") depth++;
      if (text === ")") depth--;
      if (depth === 1 && text === ",") return true;
    }
    return false;
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
    const subscript = value.op === "number" ? (BASES[parts[0]] ?? parts.join("")) : parts.join("");
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
    if (!/^(?:sin|cos|tan|cot|sec|csc|arc...|cis|ln|log|exp|sinh|cosh|tanh)$/.test(name))
      this.fail();
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
    // sin x e^{2x} is a product
    if (text === "e" && this.peek(1).text === "^") return true;
    return text === "(" || FUNCTIONS.has(name) || (kind === "command" && name === "sqrt");
  }

  private command(text: string): Node {
    const name = text.slice(1);
    if (name === "frac") {
      return this.derivative() ?? quotient(this.argument(), this.argument(), "frac");
    }
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
    if (NAMES.has(name)) {
      return this.applied(this.subscripted(symbol(name), name), { kind: "command", text: name });
    }
    return this.fail();
  }

  /** \frac{dy}{dx} is no quotient of products. */
  private derivative(): Node | null {
    const texts = [0, 1, 2, 3, 4, 5].map((ahead) => this.peek(ahead).text);
    const [, y, x] = /^\{d([a-zA-Z])\}\{d([a-zA-Z])\}$/.exec(texts.join("")) ?? [];
    if (!y) return null;
    this.at += 6;
    return node("call", [symbol(y), symbol(x)], "diff");
  }

  /** {x | x > 3} and {x in R | x > 3} are what is said of x. */
  private takesBuilder(): boolean {
    const name = this.peek();
    const reals = ["\\in", "(", "-", "\\infty", ",", "\\infty", ")"];
    const inReals = reals.every((text, i) => this.peek(1 + i).text === text);
    const length = inReals ? 1 + reals.length : 1;
    const isBuilt = /^[a-zA-Z]$/.test(name.text) && /^[|:]$/.test(this.peek(length).text);
    if (isBuilt) this.at += length + 1;
    return isBuilt;
  }

  private set(): Node {
    if (this.take("\\}")) return node("set", []);
    const isBuilt = this.takesBuilder();
    const items = this.items();
    this.expect("\\}");
    if (!isBuilt) return node("set", items);
    return items.length === 1 ? items[0] : node("list", items, "and");
  }

  /** \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}, also bmatrix, vmatrix and the like. */
  private matrix(): Node {
    const kind = this.environment();
    if (/^(?:cases|aligned|gathered)$/.test(kind)) return this.system();
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

  /** The lines of a system of equations. */
  private system(): Node {
    const lines: Node[] = [];
    while (!this.take("\\end")) {
      lines.push(...this.items());
      while (this.take("\\\\") || this.take(",") || this.take(";"));
      if (lines.length > 20) this.fail();
    }
    this.environment();
    return lines.length === 1
      ? lines[0]
      : node("list", lines, ", ".repeat(lines.length - 1).trim());
  }

  private environment(): string {
    this.expect("{");
    const { text } = this.next();
    this.expect("}");
    return text;
  }
}

const isMinusOne = ({ args }: { args: Node[] }) =>
  args.every((arg) => arg.op === "number" && arg.value[0] ** 2n === 1n && arg.value[1] === 1n);

function matrixRow(matrix: Node): Node[] {
  return matrix.op === "matrix" && matrix.args[0].op === "tuple" ? matrix.args[0].args : [];
}

/** Names and what stands behind them: subscripts, functions and what they apply to. */
import { Cursor } from "./cursor.ts";
import { BASES, FUNCTIONS, NAMES } from "./names.ts";
import type { Token } from "./tokens.ts";
import { minusOne, type Node, NotMath, negative, node, number, quotient, symbol } from "./tree.ts";

const CONSTANT = /^(?:pi|e|i|oo)$/;
const CLOSING: Record<string, string> = { "(": ")", "[": "]" };

export abstract class Named extends Cursor {
  /** How many functions are being given something. */
  protected calls = 0;

  /** What stands between separators. */
  protected abstract items(): Node[];
  protected abstract sum(): Node;
  /** A factor with its powers, and whether another one follows. */
  protected abstract postfix(): Node;
  protected abstract startsFactor(): boolean;
  /** What a command applies to. */
  protected abstract argument(): Node;
  protected abstract group(open: string, close: string): Node;
  protected abstract closed(close: string): Node;

  protected letters(token: Token): Node {
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
  protected applied(name: Node, { isRest }: Token): Node {
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
    const args = this.given();
    this.expect(")");
    const chosen = text === "C" && args.length === 2 && args.every(({ op }) => op === "number");
    return node("call", args, chosen ? "binom" : text);
  }

  /** What a function is given, in which letters are factors. */
  private given(): Node[] {
    this.deeper();
    this.calls++;
    const items = this.items();
    this.calls--;
    this.depth--;
    return items;
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
  protected subscripted(value: Node, name: string): Node {
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

  protected call(name: string): Node {
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
      const items = this.given();
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

  /** \frac{dy}{dx} is no quotient of products. */
  protected derivative(): Node | null {
    // d/dx of something, and second derivatives
    const isOther =
      this.peek().text === "{" &&
      this.peek(1).text === "d" &&
      /^(?:\}|\^)$/.test(this.peek(2).text);
    if (isOther) this.fail();
    const texts = [0, 1, 2, 3, 4, 5].map((ahead) => this.peek(ahead).text);
    const [, y, x] = /^\{d([a-zA-Z])\}\{d([a-zA-Z])\}$/.exec(texts.join("")) ?? [];
    if (!y) return null;
    this.at += 6;
    return node("call", [symbol(y), symbol(x)], "diff");
  }
}

const isMinusOne = ({ args }: { args: Node[] }) =>
  args.every((arg) => arg.op === "number" && arg.value[0] ** 2n === 1n && arg.value[1] === 1n);

/**
 * The smallest parts of an expression: numbers, brackets, sets, commands, matrices and systems.
 */
import { Named } from "./named.ts";
import { FUNCTIONS, NAMES } from "./names.ts";
import { readNumber, type Token } from "./tokens.ts";
import { type Node, NotMath, negative, node, quotient, symbol } from "./tree.ts";

export abstract class Atoms extends Named {
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

  protected closed(close: string): Node {
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
    if (kind === "array" && this.tokens.some(({ text }) => text === "=")) return this.system();
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

function matrixRow(matrix: Node): Node[] {
  return matrix.op === "matrix" && matrix.args[0].op === "tuple" ? matrix.args[0].args : [];
}

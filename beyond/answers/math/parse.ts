/**
 * From the text of an answer, LaTeX or plain, to a tree. Everything it does not understand is an error,
 * and such an answer is then compared as text: nothing is guessed. The keys printed by `sum.ts` are
 * plain text that it reads too.
 */
import { Atoms } from "./atoms.ts";
import { FUNCTIONS, NAMES } from "./names.ts";
import { tokenize } from "./tokens.ts";
import { mixed, type Node, negative, node, number, quotient } from "./tree.ts";

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

/** Reads an answer that `clean` has freed of markup. Throws NotMath or TooMuch. */
export function parse(text: string): Node {
  return new Parser(tokenize(text)).answer();
}

/** Operators, from separators and unions down to what stands behind a factor. */
class Parser extends Atoms {
  /** A whole answer: one thing, or several separated by commas, semicolons, "and" or "or". */
  answer(): Node {
    const [items, separators] = this.separated();
    if (this.peek().kind !== "end") this.fail();
    return items.length === 1 ? items[0] : node("list", items, separators.join(" "));
  }

  protected items(): Node[] {
    return this.separated()[0];
  }

  private separated(): [items: Node[], separators: string[]] {
    const items = [this.item()];
    const separators: string[] = [];
    while (this.isSeparator()) {
      let separator = this.next().text.trim();
      // "1, 2, and 3"
      while (this.isSeparator()) separator = this.next().text.trim();
      separators.push(separator.startsWith("\\") ? "or" : separator);
      items.push(this.item());
    }
    return [items, separators];
  }

  /** Letters that stand alone are a word or a string: BDC is no product. */
  private item(): Node {
    const [{ kind, text }, after] = [this.peek(), this.peek(1)];
    if (this.calls > 0 || kind !== "letters" || text.length < 2 || isName(text))
      return this.union();
    this.at++;
    if (this.isSeparator() || /^[)\]}]$|^\\[})]$/.test(after.text) || after.kind === "end") {
      return { op: "text", text };
    }
    this.at--;
    return this.union();
  }

  private isSeparator(): boolean {
    const { kind, text } = this.peek();
    if (kind === "text" || kind === "letters") return /^\s*(and|or)\s*$/.test(text);
    return (kind === "sign" && /^[,;]$/.test(text)) || /^\\(?:lor|vee)$/.test(text);
  }

  private union(): Node {
    const parts = [this.ratio()];
    while (this.take("\\cup") || this.take("\u222a")) parts.push(this.ratio());
    return parts.length === 1 ? parts[0] : node("union", parts);
  }

  /** 3:4, and 1:2:3; also a time. */
  private ratio(): Node {
    const parts = [this.relation()];
    while (this.take(":")) parts.push(this.relation());
    return parts.length === 1 ? parts[0] : node("ratio", parts);
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

  protected sum(): Node {
    this.deeper();
    const terms: Node[] = [];
    for (let first = true; first || /^(?:[-+]|\\[pm][pm])$/.test(this.peek().text); first = false) {
      if (this.take("\\pm") || this.take("\\mp")) {
        const sign = this.tokens[this.at - 1].text === "\\mp" ? "-" : "+";
        terms.push(node("plusminus", [this.product()], sign));
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
      if (isProperFraction(fraction)) return this.suffixed(mixed(value, fraction));
      return node("multiply", [value, this.suffixed(fraction)]);
    }
    if (kind === "number" && before.kind === "letters") this.fail();
    if (kind === "number" && (before.kind === "number" || before.text === "}")) {
      const [, slash, bottom] = this.tokens.slice(this.at);
      if (!whole || slash?.text !== "/" || bottom?.kind !== "number") this.fail();
      const top = this.primary();
      this.at++;
      return this.suffixed(mixed(value, quotient(top, this.primary())));
    }
    return node("multiply", [value, this.postfix()]);
  }

  private signed(): Node {
    if (this.take("-")) return negative(this.signed());
    if (this.take("+")) return this.signed();
    return this.postfix();
  }

  protected startsFactor(): boolean {
    const { kind, text } = this.peek();
    if (kind === "number") return true;
    if (kind === "letters") return !this.isSeparator();
    if (kind === "command") {
      return (
        !RELATIONS[text] &&
        !/^\\(?:cup|in|pm|mp|lor|vee|rangle|\}|\\|%|end|right|r?ceil|r?floor|rvert|\|)$/.test(text)
      );
    }
    return (
      kind === "sign" && (text === "(" || text === "{" || /[\u221a\u03c0\u221e\u2220]/.test(text))
    );
  }

  /** A factor with what stands behind it: powers, factorials, degrees, percent. */
  protected postfix(): Node {
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
      } else if (this.take("!")) {
        // n!! is not (n!)!
        if (this.peek().text === "!") this.fail();
        value = node("call", [value], "factorial");
      } else if (this.take("\\%") || this.take("%")) value = quotient(value, number(100n), "%");
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
}

const join = (terms: Node[]): Node => (terms.length === 1 ? terms[0] : node("add", [...terms]));

/** Letters that are one name. */
const isName = (text: string) => NAMES.has(text) || FUNCTIONS.has(text);

function isProperFraction(value: Node): boolean {
  if (value.op !== "multiply") return false;
  const [top, power] = value.args;
  if (power.op !== "power") return false;
  return top.op === "number" && power.args[0].op === "number";
}

/** A place among the tokens of an answer, and how deep what stands there is nested. */
import { TooMuch } from "./rational.ts";
import type { Token } from "./tokens.ts";
import { NotMath } from "./tree.ts";

const MAX_DEPTH = 40;

export abstract class Cursor {
  protected at = 0;
  protected depth = 0;

  constructor(protected readonly tokens: Token[]) {}

  protected peek(ahead = 0): Token {
    return this.tokens[this.at + ahead] ?? { kind: "end", text: "" };
  }

  protected next(): Token {
    const token = this.peek();
    if (token.kind === "end") this.fail();
    this.at++;
    return token;
  }

  protected take(text: string): boolean {
    const token = this.peek();
    if (token.text !== text || token.kind === "text") return false;
    this.at++;
    return true;
  }

  protected expect(text: string): void {
    if (!this.take(text)) this.fail();
  }

  protected splice(rest: string): void {
    this.tokens.splice(this.at, 0, { kind: "letters", text: rest, isRest: true });
  }

  protected deeper(): void {
    if (++this.depth > MAX_DEPTH) throw new TooMuch("deep nesting");
  }

  protected fail(): never {
    throw new NotMath(`at "${this.peek().text}"`);
  }
}

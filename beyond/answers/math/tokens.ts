/** The words of an answer: numbers, commands, runs of letters, signs. */
import { periodic, readDecimal } from "./digits.ts";
import { type Rational, rational, TooMuch } from "./rational.ts";

const NUMBER = String.raw`(?:[1-9]\d{0,2}(?:,\d{3})+(?![\d])|\d+)(?:\.\d+(?:\\overline\{\d+\})?|\.\\overline\{\d+\}|\.(?!\.))?|\.\d+(?:\\overline\{\d+\})?|\.\\overline\{\d+\}`;
const TOKEN = new RegExp(
  String.raw`\s*(?:(${NUMBER})(?:[eE]([+-]?\d{1,4})(?![\d.]))?|(\\text\{[^{}]*\})|(\\[a-zA-Z]+\*?|\\[{}\\|%])|([A-Za-z]+)|([<>!]=|.))`,
  "suy",
);

const MAX_TOKENS = 600;

export interface Token {
  kind: "number" | "text" | "command" | "letters" | "sign" | "end";
  text: string;
  exponent?: string;
  /** Does it stand right behind other letters? */
  isRest?: boolean;
}

/** Commas within brackets separate; elsewhere 1,234 is a number. Throws TooMuch for too many. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  let depth = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (!match) break;
    const [whole, digits, exponent, words, command, letters, sign] = match;
    if (digits?.includes(",") && depth > 0) {
      // within brackets a comma separates: (1,234) is a pair
      TOKEN.lastIndex = at + whole.indexOf(",");
      tokens.push({ kind: "number", text: digits.slice(0, digits.indexOf(",")) });
    } else if (digits) tokens.push({ kind: "number", text: digits, exponent });
    else if (words) tokens.push({ kind: "text", text: words.slice(6, -1) });
    else if (command) tokens.push({ kind: "command", text: command });
    else if (letters) tokens.push({ kind: "letters", text: letters });
    else if (sign.trim()) tokens.push({ kind: "sign", text: sign });
    if (sign === "(" || sign === "[" || command === "\\{") depth++;
    if (sign === ")" || sign === "]" || command === "\\}") depth--;
    if (tokens.length > MAX_TOKENS) throw new TooMuch("a long answer");
  }
  return tokens;
}

/** Digits with thousands commas, a point, a repeating part and an exponent. */
export function readNumber({ text, exponent = "0" }: Token): Rational | null {
  const [, whole, part = "", block] = /^([\d,]*)\.?(\d*)(?:\\overline\{(\d+)\})?$/.exec(text) ?? [];
  if (whole === undefined) return null;
  const [p, q] = block ? periodic(whole.replaceAll(",", ""), part, block) : readDecimal(text);
  const tens = 10n ** BigInt(Math.abs(Number(exponent)));
  return Number(exponent) < 0 ? rational(p, q * tens) : rational(p * tens, q);
}

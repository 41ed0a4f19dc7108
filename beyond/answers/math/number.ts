/** Plain numbers: decimals, fractions and percentages of any size, exactly. */
import { plainLatex, unwrap } from "./clean.ts";
import { readDecimal } from "./digits.ts";
import { format, rational } from "./rational.ts";
import { withoutUnits } from "./units.ts";

/** The key of a plain number. */
export const PLAIN = /^-?\d+(?:\/\d+)?$/;

/** An answer longer than this is no answer, and its digits are never given to BigInt. */
export const MAX_ANSWER = 1000;

/**
 * The key of an answer that should be a number: an exact reduced fraction ("1/2", "-7"), units dropped;
 * other text is freed of what does not change its meaning (case, white space, a final stop). Null when
 * nothing is left or the answer is longer than 1,000 characters.
 */
export function numberKey(answer: string): string | null {
  if (answer.length > MAX_ANSWER) return null;
  const text = unwrap(answer);
  const plain = plainNumber(text);
  if (plain !== null) return plain;
  const clean = unwrap(plainLatex(text));
  const number = plainNumber(clean) ?? plainNumber(withoutUnits(clean));
  return number ?? (clean.replace(/\s+/g, " ").toLowerCase() || null);
}

const DIGITS = String.raw`(?:[1-9]\d{0,2}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+`;
const NUMBER = new RegExp(String.raw`^([+-]?)\s*\\?\$?\s*(${DIGITS})\s*(\\?%)?$`);
const FRACTION = new RegExp(
  String.raw`^([+-]?)\s*(?:([+-]?(?:${DIGITS}))\s*/\s*([+-]?(?:${DIGITS}))|` +
    String.raw`\\[dt]?frac\s*(?:\{\s*([+-]?(?:${DIGITS}))\s*\}|(\d))\s*(?:\{\s*([+-]?(?:${DIGITS}))\s*\}|(\d)))$`,
);

/** "p" or "p/q" in lowest terms for a decimal, fraction or percentage; null for anything else. */
export function plainNumber(text: string): string | null {
  const number = NUMBER.exec(text);
  if (number !== null) {
    const [p, q] = readDecimal(`${number[1]}${number[2]}`);
    return format(rational(p, number[3] ? q * 100n : q));
  }
  const fraction = FRACTION.exec(text);
  if (fraction === null) return null;
  const [a, b] = readDecimal((fraction[2] ?? fraction[4] ?? fraction[5]) as string);
  const [c, d] = readDecimal((fraction[3] ?? fraction[6] ?? fraction[7]) as string);
  const p = a * d;
  return c === 0n ? null : format(rational(fraction[1] === "-" ? -p : p, b * c));
}

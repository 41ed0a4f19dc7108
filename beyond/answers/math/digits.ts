/** Decimal digits as exact fractions. */
import { type Rational, rational } from "./rational.ts";

/** So many digits that repeat, at the end of a decimal, are a fraction that a machine has written out. */
const REPEATED = 12;

/** Digits with an optional sign, thousands commas and a point. 0.083333333333333 is 1/12. */
export function readDecimal(text: string): Rational {
  const [whole = "", part = ""] = text.replaceAll(",", "").replace(/^[+-]/, "").split(".");
  const value = (part.length >= REPEATED && repeating(whole, part)) || plain(whole, part);
  return text.startsWith("-") ? [-value[0], value[1]] : value;
}

const plain = (whole: string, part: string): Rational =>
  rational(BigInt(whole + part), 10n ** BigInt(part.length));

/** The fraction whose digits are `whole`, a point, `fixed`, and `block` for ever. */
export function periodic(whole: string, fixed: string, block: string): Rational {
  const nines = 10n ** BigInt(block.length) - 1n;
  const p = BigInt(`${whole}${fixed}` || "0") * nines + BigInt(block);
  return rational(p, nines * 10n ** BigInt(fixed.length));
}

/** A block of up to three digits that fills the end of a decimal, the last digit perhaps rounded up. */
function repeating(whole: string, part: string): Rational | null {
  const end = part.length - 1;
  for (const length of [1, 2, 3]) {
    let start = end - length;
    while (start > 0 && part[start - 1] === part[start - 1 + length]) start--;
    const block = part.slice(start, start + length);
    if (part.length - start < REPEATED || /^(?:0+|9+)$/.test(block)) continue;
    const expected = Number(part[end - length]);
    const rounded = Number(part[end + 1 - 2 * length]) >= 5 ? expected + 1 : expected;
    if (Number(part[end]) !== expected && Number(part[end]) !== rounded) continue;
    return periodic(whole, part.slice(0, start), block);
  }
  return null;
}

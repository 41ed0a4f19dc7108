/** The canonical form of any mathematical answer. Plain numbers take the short way. */
import { plainLatex, plainLetters, unwrap } from "./clean.ts";
import { keyOf } from "./keys.ts";
import { kindKey } from "./kinds.ts";
import { MAX_ANSWER, plainNumber } from "./number.ts";
import { parse } from "./parse.ts";
import { TooMuch } from "./rational.ts";
import { letterList, statedValue } from "./statement.ts";
import { refuel } from "./sum.ts";
import { type Node, NotMath } from "./tree.ts";
import { withoutUnits } from "./units.ts";

const WORDS =
  /^(?!.*[\d=<>+*^_/\\(){}[\]|])(?=.*[A-Za-z\u00c0-\u024f]{3})(?=.*[aeiouy\u00c0-\u024f])/is;

/**
 * The key of an answer: equal answers have equal keys, and the key of a key is itself. Null when the
 * answer is empty, or too long, too deep or too large to be one.
 */
export function mathKey(answer: string): string | null {
  if (answer.length > MAX_ANSWER) return null;
  const bare = unwrap(answer);
  const number = plainNumber(bare);
  if (number !== null) return number;
  let key = recent.get(bare);
  if (key === undefined) {
    key = stableKey(bare);
    if (recent.size >= 20_000) recent.clear();
    recent.set(bare, key);
  }
  return key;
}

/** Keys found lately: most answers of a group are the same few. */
const recent = new Map<string, string | null>();

/** What is left of a text may read as mathematics in turn; a key is the text at which that ends. */
function stableKey(bare: string): string | null {
  let text = bare;
  for (let round = 0; round < 5; round++) {
    const plain = plainNumber(text);
    const key = plain ?? generalKey(text);
    if (key === null || key.length > MAX_ANSWER) return null;
    if (key === text) return key;
    text = unwrap(key);
  }
  return null;
}

function generalKey(bare: string): string | null {
  try {
    const text = prepared(bare);
    const kind = kindKey(text) ?? kindKey(withoutText(plainLatex(bare)));
    if (kind !== null) return kind;
    const known = plainNumber(text);
    if (known !== null) return known;
    refuel();
    const letters = letterList(text);
    if (letters !== null || !WORDS.test(text)) return keyOf(parse(letters ?? text));
  } catch (error) {
    if (error instanceof TooMuch) return null;
    if (!(error instanceof NotMath) && !(error instanceof RangeError)) throw error;
  }
  return textKey(bare);
}

const withoutText = (text: string) =>
  unwrap(text.replace(/\\text\s*\{([^{}]*)\}/g, "$1").replace(/~|\\ /g, " "));

/** The tree of an answer; null when it is not mathematics. */
export function mathTree(answer: string): Node | null {
  try {
    const text = prepared(unwrap(answer));
    return WORDS.test(text) || kindKey(text) !== null ? null : parse(text);
  } catch (error) {
    if (error instanceof TooMuch || error instanceof NotMath) return null;
    throw error;
  }
}

function prepared(bare: string): string {
  const text = unwrap(plainLetters(withoutUnits(statedValue(plainLatex(bare)))))
    .replace(/\*\*/g, "^")
    .replace(/^-?\d{1,3}(?:(?: \d{3})+|(?:\.\d{3}){2,}|(?:_\d{3})+)$/, (digits) =>
      digits.replace(/[ ._]/g, ""),
    )
    .replace(/^(-?0),(?=\d+$)/, "$1.")
    .replace(/(\d*\.\d*)\((\d+)\)$/, "$1\\overline{$2}")
    .replace(
      /^(-?\d*\.\d*?)(\d+?)(\2+)(?:\.\.\.|\\[lc]?dots|\u2026)$/,
      (all, before, block, rest) =>
        block.length + rest.length >= 3 ? `${before}\\overline{${block}}` : all,
    )
    .replace(/(\d)\s*(?:\\text\s*\{\s*to\s*\}|\bto\b)\s*(?=\d)/g, "$1:")
    .replace(/^\{(.*)\}$/s, (whole, inner) =>
      /^[^{}]*,[^{}]*$/.test(inner) ? `\\{${inner}\\}` : whole,
    );
  return text;
}

/** Text by which answers that are no mathematics are counted: case and white space do not matter. */
export function textKey(text: string): string | null {
  const words = text.replace(/\\text(?:bf|it|rm)?\s*\{([^{}]*)\}/g, "$1");
  return words.replace(/\s+/g, " ").trim().toLowerCase() || null;
}

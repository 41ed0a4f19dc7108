/** The canonical form of any mathematical answer. Plain numbers take the short way. */
import { plainLatex, plainLetters, unwrap } from "./clean.ts";
import { keyOf } from "./keys.ts";
import { MAX_ANSWER, PLAIN, plainNumber } from "./number.ts";
import { parse } from "./parse.ts";
import { TooMuch } from "./rational.ts";
import { letterList, optionLetter, statedValue, timeOfDay } from "./statement.ts";
import { refuel } from "./sum.ts";
import { type Node, NotMath } from "./tree.ts";
import { withoutUnits } from "./units.ts";

const LETTER = /^(?:(?:[Oo]ption|[Cc]hoice)\s+)?(?:\(([A-Z])\)|([A-Z])[.):]?|\[([A-Z])\])$/;
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
    const option = optionLetter(bare) ?? timeOfDay(plainLatex(bare));
    if (option !== null) return option;
    const text = prepared(bare);
    const letter = LETTER.exec(text);
    if (letter) return letter[1] ?? letter[2] ?? letter[3];
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

/** The tree of an answer; null when it is not mathematics. */
export function mathTree(answer: string): Node | null {
  try {
    const text = prepared(unwrap(answer));
    return WORDS.test(text) || timeOfDay(text) !== null ? null : parse(text);
  } catch (error) {
    if (error instanceof TooMuch || error instanceof NotMath) return null;
    throw error;
  }
}

function prepared(bare: string): string {
  const text = unwrap(plainLetters(withoutUnits(statedValue(plainLatex(bare)))))
    .replace(/\*\*/g, "^")
    .replace(/^\d{1,3}(?: \d{3})+$/, (digits) => digits.replaceAll(" ", ""))
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

/** An answer's key, and what else it can be read as. */
export interface Readings {
  key: string | null;
  /** The right side of y = ..., for answers of that form. */
  side: string | null;
  /** The key of a percentage without its sign. */
  percent: string | null;
  /** The digits of a number in another base, without it. */
  digits: string | null;
}

export function readings(answer: string): Readings {
  if (answer.length > MAX_ANSWER) return nothing;
  const bare = unwrap(answer);
  const percent = /^(.*?)\\?%$/s.exec(bare)?.[1];
  const side =
    /^\s*(?:[a-zA-Z]|[a-zA-Z]\([a-zA-Z]\))\s*=([^=]+)$/.exec(bare)?.[1] ??
    // m + n = 5
    /^[a-zA-Z](?:\s*\+\s*[a-zA-Z])+\s*=\s*(-?[\d./]+)$/.exec(bare)?.[1];
  const digits = /^\(?(\d+)\)?_(?:\d|\{(?:\d+|\\text\{[a-z]+\})\})$/.exec(bare)?.[1];
  return {
    key: mathKey(bare),
    side: side === undefined ? null : mathKey(side),
    percent: percent === undefined ? null : mathKey(percent),
    digits: digits === undefined ? null : mathKey(digits),
  };
}

const nothing: Readings = { key: null, side: null, percent: null, digits: null };

/** Does the answer say, in its other reading, what is right, or what is right in its other reading? */
export function sharesReading(answer: Readings, right: Readings): boolean {
  const { key } = answer;
  if (key === null || right.key === null) return false;
  if ([right.side, right.percent, right.digits].includes(key)) return true;
  if (answer.side === right.key || answer.digits === right.key) return true;
  // 25 asked for, 25 % said; but not 0.45 % for 0.45
  if (answer.percent === null || answer.percent !== right.key || right.percent !== null)
    return false;
  const [p, q = "1"] = answer.percent.replace("-", "").split("/");
  return !PLAIN.test(answer.percent) || BigInt(p) >= BigInt(q);
}

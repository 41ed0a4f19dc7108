/** The canonical form of any mathematical answer. Plain numbers take the short way. */
import { plainLatex, unwrap, withoutUnits } from "./clean.ts";
import { keyOf } from "./keys.ts";
import { MAX_ANSWER, plainNumber } from "./number.ts";
import { parse } from "./parse.ts";
import { TooMuch } from "./rational.ts";
import { refuel } from "./sum.ts";
import { type Node, NotMath } from "./tree.ts";

const LETTER = /^(?:\(([A-Z])\)|([A-Z])[.):]?|\[([A-Z])\])$/;
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
    const letter = LETTER.exec(text);
    if (letter) return letter[1] ?? letter[2] ?? letter[3];
    const known = plainNumber(text);
    if (known !== null) return known;
    refuel();
    if (!WORDS.test(text)) return keyOf(parse(text));
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
    return WORDS.test(text) ? null : parse(text);
  } catch (error) {
    if (error instanceof TooMuch || error instanceof NotMath) return null;
    throw error;
  }
}

function prepared(bare: string): string {
  const text = unwrap(withoutUnits(plainLatex(bare)))
    .replace(/^=\s*/, "")
    .replace(/\*\*/g, "^")
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
}

export function readings(answer: string): Readings {
  if (answer.length > MAX_ANSWER) return { key: null, side: null, percent: null };
  const bare = unwrap(answer);
  const percent = /^(.*?)\\?%$/s.exec(bare)?.[1];
  const side = /^\s*(?:[a-zA-Z]|[a-zA-Z]\([a-zA-Z]\))\s*=([^=]+)$/.exec(bare)?.[1];
  return {
    key: mathKey(bare),
    side: side === undefined ? null : mathKey(side),
    percent: percent === undefined ? null : mathKey(percent),
  };
}

/** Does the one say, in its other reading, what the other one says? */
export function sharesReading(a: Readings, b: Readings): boolean {
  const shares = (x: Readings, y: Readings) =>
    (y.percent === null && x.percent !== null && x.percent === y.key) ||
    (x.side !== null && x.side === y.key);
  return shares(a, b) || shares(b, a);
}

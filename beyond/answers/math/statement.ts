/** Answers that are stated: "AB = 5", "f^{-1}(x) = ...", "(C) 12", "A(1,2)" say what is named, then the value. */

const ANGLE = String.raw`(?:m\s*)?\\angle\s*\{?\s*(?:[A-Z]{1,4}|\d)\s*\}?`;
const SEGMENT = String.raw`(?:\\triangle\s*)?(?:\\overline\s*\{\s*[A-Z]{2}\s*\}|[A-Z]{2,4}|\|\s*(?:\\overline\s*\{\s*)?[A-Z]{2}\s*\}?\s*\|)`;
const WORDS = String.raw`\\text\s*\{[^{}=]*\}(?:_\{?\w+\}?)?|[A-Z]?[a-z]{3,}(?: [a-z]+){0,4}`;
const DERIVED = String.raw`[a-zA-Z]'{1,3}(?:\s*\(\s*[a-z]\s*\))?|[a-zA-Z]\s*\^\s*\{\s*-\s*1\s*\}\s*\([^()=]*\)`;
const TERM_OF_SEQUENCE = String.raw`[a-zA-Z]_\{?[nk]\}?`;
const AREA = String.raw`\[[A-Z]{3,4}\]`;
const INDEXED = String.raw`[A-Z]_\s*\{[^{}]*\}|\\frac\s*\{[A-Z]{2}\}\s*\{[A-Z]{2}\}`;
const RATIO = String.raw`(?:(?:[A-Z]+|[a-z])(?:_\s*(?:\w|\{[^{}]*\}))?)(?:\s*:\s*(?:[A-Z]+|[a-z])(?:_\s*(?:\w|\{[^{}]*\}))?)+`;
const CHANCE = String.raw`\\Pr(?![a-zA-Z])(?:\s*\([^()]*\))?|(?:\\mathbb\s*\{?)?[PEn]\}?\s*\([^()]*\)`;
const NAMED = new RegExp(
  String.raw`^(?:${AREA}|${CHANCE}|${ANGLE}|${SEGMENT}|${WORDS}|${DERIVED}|${TERM_OF_SEQUENCE}|${INDEXED}|${RATIO})\s*=(?=[^=]+$)`,
);
/** m + n = 34, as answers of contests are given; x + y = 34 is a line. */
const SUM_OF_LETTERS = /^[a-w](?:\s*\+\s*[a-w])+\s*=\s*(?=-?[\d./]+$)/;
/** A(1,2) is the point (1,2), but C(6,3) and P(6,3) are numbers of ways. */
const POINT = /^[A-Z]\s*\(([^()]*,[^()]*)\)$/;
const isChoice = (name: string, inside: string): boolean => {
  const [n, k, more] = inside.split(",").map((part) => part.trim());
  const whole = more === undefined && /^\d+$/.test(n) && /^\d+$/.test(k);
  return /^[CP]/.test(name) && whole && Number(n) >= Number(k);
};

/** The value alone, without what it is called. Equations in variables stay as they are. */
export function statedValue(text: string): string {
  return text
    .replace(/^(?:\\therefore|\\Rightarrow|\\implies|\\rightarrow|\\to)(?![a-zA-Z])\s*/, "")
    .replace(/^\\text\s*\{[^{}]*\b(?:is|are|answer)\s*:?\s*\}\s*/, "")
    .replace(/^=\s*/, "")
    .replace(NAMED, "")
    .replace(SUM_OF_LETTERS, "")
    .replace(POINT, (name, inside) => (isChoice(name, inside) ? name : `(${inside})`))
    .trim();
}

const LETTER_LIST = /^\(?[A-J]\)?(?:\s*(?:,|and|&|or)\s*\(?[A-J]\)?)+$/;

/** "B and C", "A, C": letters of several options. */
export const letterList = (text: string): string | null =>
  LETTER_LIST.test(text) ? (text.match(/[A-J]/g) as string[]).join(",") : null;

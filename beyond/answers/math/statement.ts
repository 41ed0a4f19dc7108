/** Answers that are stated: "AB = 5", "f^{-1}(x) = ...", "(C) 12", "A(1,2)" say what is named, then the value. */

const ANGLE = String.raw`(?:m\s*)?\\angle\s*\{?\s*(?:[A-Z]{1,4}|\d)\s*\}?`;
const SEGMENT = String.raw`(?:\\triangle\s*)?(?:\\overline\s*\{\s*[A-Z]{2}\s*\}|[A-Z]{2,4}|\|\s*(?:\\overline\s*\{\s*)?[A-Z]{2}\s*\}?\s*\|)`;
const WORDS = String.raw`\\text\s*\{[^{}=]*\}(?:_\{?\w+\}?)?|[A-Z]?[a-z]{3,}(?: [a-z]+){0,4}`;
const DERIVED = String.raw`[a-zA-Z]'{1,3}(?:\s*\(\s*[a-z]\s*\))?|[a-zA-Z]\s*\^\s*\{\s*-\s*1\s*\}\s*\([^()=]*\)|\\frac\s*\{\s*d\s*[a-z]\s*\}\s*\{\s*d\s*[a-z]\s*\}`;
const TERM_OF_SEQUENCE = String.raw`[a-zA-Z]_\{?[nk]\}?`;
const AREA = String.raw`\[[A-Z]{3,4}\]`;
const CHANCE = String.raw`\\Pr(?![a-zA-Z])(?:\s*\([^()]*\))?|(?:\\mathbb\s*\{?)?[PEn]\}?\s*\([^()]*\)`;
const NAMED = new RegExp(
  String.raw`^(?:${AREA}|${CHANCE}|${ANGLE}|${SEGMENT}|${WORDS}|${DERIVED}|${TERM_OF_SEQUENCE})\s*=(?=[^=]+$)`,
);
/** Of a number only: cos(theta) = 1/2 is else an equation, and so is a + b = 5. */
const NAMED_NUMBER =
  /^(?:\\(?:sin|cos|tan|cot|sec|csc)\s*\(?\{?\s*(?:[A-Z]|\\[a-z]+)\s*\}?\)?)\s*=(?=[^=a-zA-Z]*(?:\\(?:frac|sqrt)[^=a-zA-Z]*)*$)/;

/** The value alone, without what it is called. Equations in variables stay as they are. */
export function statedValue(text: string): string {
  return text
    .replace(/^(?:\\therefore|\\Rightarrow|\\implies|\\rightarrow|\\to)(?![a-zA-Z])\s*/, "")
    .replace(/^\\text\s*\{[^{}]*\b(?:is|are|answer)\s*:?\s*\}\s*/, "")
    .replace(/^=\s*/, "")
    .replace(/^(\d+)\s*(?:\\text\s*\{\s*base\s*\}|base)\s*(\d+)$/, "$1_{$2}")
    .replace(NAMED, "")
    .replace(NAMED_NUMBER, "")
    .replace(/^[A-Z]\s*(?=\([^()]*,[^()]*\)$)/, "")
    .trim();
}

const LETTERED =
  /^(?:\\(?:text|textbf|mathbf|mathrm)\s*\{\s*\(([A-J])\)\s*\}|\(([A-J])\)(?=\\? |~))(?:\s|\\ |~)*(?=[^\s\\~=+*/^-]|\\[a-z])/;

/** The letter of an option that is given with its content, as in "(C) 12"; null for other answers. */
export function optionLetter(text: string): string | null {
  const match = LETTERED.exec(text);
  return match && (match[1] ?? match[2]);
}

const LETTER_LIST = /^\(?[A-J]\)?(?:\s*(?:,|and|&|or)\s*\(?[A-J]\)?)+$/;

/** "B and C", "A, C": letters of several options. */
export const letterList = (text: string): string | null =>
  LETTER_LIST.test(text) ? (text.match(/[A-J]/g) as string[]).join(",") : null;

/** 10:30 pm, in one spelling; null for what is no time of day. */
export function timeOfDay(text: string): string | null {
  const plain = text.replace(/\\text\s*\{([^{}]*)\}|\s+/g, (_, words = "") => words);
  const [, hour, minute, half] = /^(\d{1,2})(?::(\d\d))?\s*([ap])\.?\s*m\.?$/i.exec(plain) ?? [];
  return hour ? `${Number(hour)}:${minute ?? "00"} ${half.toLowerCase()}m` : null;
}

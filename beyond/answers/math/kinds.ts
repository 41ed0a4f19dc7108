/**
 * What an answer is, before any algebra touches it: dates, times, scores and ranges, numbers in other bases,
 * letters of options, words. Each kind has keys of its own; what is of none of them is read as mathematics.
 */
import { BASES } from "./names.ts";
import { wordKey } from "./words.ts";

/** The key of an answer that is no formula; null for the others. `text` has no \text{...} in it. */
export function kindKey(text: string): string | null {
  return (
    machineNumber(text) ??
    inBase(text) ??
    timeOfDay(text) ??
    date(text) ??
    withDashes(text) ??
    quotedList(text) ??
    emptySet(text) ??
    infinite(text) ??
    option(text) ??
    string(text)
  );
}

/** 0x2F, 0b101 and 0o17 are numbers. */
function machineNumber(text: string): string | null {
  const [, sign, digits] = /^(-?)(0x[\da-f]+|0b[01]+|0o[0-7]+)$/i.exec(text) ?? [];
  if (digits === undefined) return null;
  const value = BigInt(digits);
  return `${sign && value !== 0n ? "-" : ""}${value}`;
}

const SUBSCRIPT = String.raw`_\s*(?:(\d)|\{\s*\(?\s*(\d+|[a-z]+)\s*\)?\s*\})`;
const IN_BASE = new RegExp(String.raw`^\(?([\dA-F]*\d[\dA-F]*|[A-F]+)\)?\s*${SUBSCRIPT}$`);
const BASE_WORDS = /^([\dA-F]*\d[\dA-F]*)\s*\(?\s*(?:in\s+)?base[\s-]*(\d+|[a-z]+)\)?$/;

/** 1011_2 is neither 1011 nor 1011_3: digits and base are the key. */
function inBase(text: string): string | null {
  const [, digits, ...names] = IN_BASE.exec(text) ?? BASE_WORDS.exec(text) ?? [];
  const name = names.find((one) => one !== undefined);
  if (!digits || !name) return null;
  const base = Number(BASES[name] ?? name);
  if (!(base >= 2 && base <= 36) || (/^[A-F]/.test(digits) && base !== 16)) return null;
  return `${digits.replace(/^0+(?=.)/, "")}_${base < 10 ? base : `{${base}}`}`;
}

/** 10:30 pm and 10:05. 10:5 is a ratio, as is 3:15 where minutes could be meant. */
function timeOfDay(text: string): string | null {
  const [, hour, minute, half] =
    /^(\d{1,2})(?::(\d\d))?\s*([ap])\.?\s*m\.?$/i.exec(text.replace(/\s+/g, "")) ?? [];
  if (hour) return `${Number(hour)}:${minute ?? "00"} ${half.toLowerCase()}m`;
  const parts = /^(\d{1,2})\s*:\s*(\d\d)(?:\s*:\s*(\d\d))?$/.exec(text);
  if (!parts?.slice(2).some((part) => part?.startsWith("0"))) return null;
  return parts
    .slice(1)
    .filter((part) => part !== undefined)
    .join(":")
    .replace(/^0(?=\d)/, "");
}

const MONTHS =
  "january february march april may june july august september october november december".split(
    " ",
  );
const MONTH = String.raw`(jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec|${MONTHS.join("|")})\.?`;
const MONTH_FIRST = new RegExp(
  String.raw`^${MONTH}\s+(\d{1,2})(?:st|nd|rd|th)?(?:\s*,?\s*(\d{4}))?$`,
  "i",
);
const DAY_FIRST = new RegExp(
  String.raw`^(\d{1,2})(?:st|nd|rd|th)?(?:\s+of)?\s+${MONTH}(?:\s*,?\s*(\d{4}))?$`,
  "i",
);

/** January 5 is 5 January; 2022-06-15 is June 15, 2022; 3/4/2022 stays as it is. */
function date(text: string): string | null {
  const [, month, day, year] = MONTH_FIRST.exec(text) ?? [];
  if (month)
    return dayOf(
      MONTHS.findIndex((one) => one.startsWith(month.toLowerCase().slice(0, 3))),
      day,
      year,
    );
  const [, dayBefore, name, yearBehind] = DAY_FIRST.exec(text) ?? [];
  if (name) {
    return dayOf(
      MONTHS.findIndex((one) => one.startsWith(name.toLowerCase().slice(0, 3))),
      dayBefore,
      yearBehind,
    );
  }
  const [, y, m, d] = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(text) ?? [];
  if (y && Number(m) >= 1 && Number(m) <= 12) return dayOf(Number(m) - 1, d, y);
  return /^\d{1,2}\/\d{1,2}\/\d{2,4}$/.test(text) ? text.replace(/(^|\/)0+(?=\d)/g, "$1") : null;
}

const dayOf = (month: number, day: string, year: string | undefined) =>
  `${MONTHS[month]} ${Number(day)}${year ? `, ${year}` : ""}`;

/** 10-20, 3-2, 555-1234: ranges, scores and telephone numbers are no differences. */
const withDashes = (text: string): string | null =>
  /^\d+(?:\s*-\s*\d+)+$|^\d+(?:\.\d+){2,}$/.test(text) ? text.replace(/\s+/g, "") : null;

/** ['1', '2'] is a list in order. */
function quotedList(text: string): string | null {
  if (!/^\[\s*(['"]).*\1\s*\]$/s.test(text)) return null;
  const items = text
    .slice(1, -1)
    .split(",")
    .map((item) => item.trim());
  if (!items.every((item) => /^(['"]).*\1$/s.test(item))) return null;
  return `[${items.map((item) => `'${item.slice(1, -1)}'`).join(", ")}]`;
}

const emptySet = (text: string): string | null =>
  /^(?:there (?:is|are) )?(?:no solutions?(?: exists?)?|(?:the )?empty set)$/i.test(text)
    ? "\\{\\}"
    : null;

const infinite = (text: string): string | null =>
  /^(?:positive |\+\s*)?infinity$/i.test(text)
    ? "oo"
    : /^(?:negative |minus |-\s*)infinity$/i.test(text)
      ? "-oo"
      : null;

const OPTION = /^(?:(?:option|choice)\s+)?(?:\(([A-Za-z])\)|([A-Za-z])[.):]?|\[([A-Za-z])\])$/i;
const WITH_CONTENT = /^(?:\(([A-J])\)\s*|([A-J])[.):]\s+)(?=[^\s\\~=+*/^,;-]|\\[a-z])/;

/** The letter of an option, alone or with what it says: (C) 12. */
function option(text: string): string | null {
  const [, a, b, c] = OPTION.exec(text) ?? [];
  const letter = a ?? b ?? c;
  // b is B where options are letters; e and i are numbers
  if (letter && (/[A-Z]/.test(letter) || (/[a-d]/.test(letter) && text.length > 0)))
    return letter.toUpperCase();
  const match = WITH_CONTENT.exec(text);
  return match && (match[1] ?? match[2]);
}

/** Letters alone are a word or a string. R L D D R is one as well. */
function string(text: string): string | null {
  if (/^[A-Za-z](?:\s+[A-Za-z]){2,}$/.test(text)) return wordKey(text.replace(/\s+/g, ""));
  // R U2 F' is a sequence of moves
  if (/^[A-Za-z][2']*(?:\s+[A-Za-z][2']*){2,}$/.test(text)) return text.replace(/\s+/g, " ");
  return /^[A-Za-z]{2,}$/.test(text) && !KNOWN.test(text) ? wordKey(text) : null;
}
const KNOWN =
  /^(?:pi|oo|alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|rho|sigma|tau|phi|chi|psi|omega)$/i;

/** Right answers as data sets write them. */
import type { Answer } from "./extract.ts";

/**
 * A list of right answers as text: ["34"], ["1/2", "0.5"]. Several in Python's quotes, ['1', '2'], are one answer
 * that is a list, as reasoning-gym has them.
 */
export function listOfGolds(answer: string): string[] | null {
  const text = answer.trim();
  if (!/^\[\s*(["']).*\1\s*\]$/s.test(text)) return null;
  const json = text.startsWith("['") && !text.includes('"') ? text.replaceAll("'", '"') : text;
  try {
    const list: unknown = JSON.parse(json);
    const isList = Array.isArray(list) && list.every((one) => typeof one === "string");
    return isList && (list.length === 1 || text === json) ? list : null;
  } catch {
    return null;
  }
}

/** Does a text talk, as worked solutions do? */
export function isWorked(answer: string): boolean {
  const words = answer.replace(/\\[a-zA-Z]+/g, " ").match(/\b[A-Za-z]{2,}\b/g) ?? [];
  return words.length >= 8 && /\n|[.!?]\s/.test(answer.trim());
}

/** The last line of a worked solution as OpenAI's samples of GSM8K have it. */
const LAST_LINE = /\n\s*A(?:ns(?:wer)?)?\s*[:.]\s*(\S[^\n]*)$/;
/** 9 (apples): a number with its unit in parentheses. */
const IN_PARENTHESES = /^(\$?-?[\d.,/]*\d%?\$?)\s*\([A-Za-z][A-Za-z .]*\)$/;

/** The final answer of what a row has for one, which may be bare or a worked solution. */
export function goldText(answer: string, find: (text: string) => Answer | null): string {
  const text = answer.trim();
  const marked = find(text);
  const worked = isWorked(text);
  const stated =
    // of a bare answer the last number is a part
    (marked?.form !== "last-number" || worked ? marked?.text : undefined) ??
    LAST_LINE.exec(text)?.[1] ??
    text;
  return IN_PARENTHESES.exec(stated)?.[1] ?? stated;
}

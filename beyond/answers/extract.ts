/** Finding the final answer in the text of a completion. */
import type { AnswerForm } from "../../lib/data/judge.ts";
import { lastBoxes } from "./boxes.ts";
import { announced, withoutAnnouncement } from "./phrase.ts";
import { lineAfter, type Span, trimmed } from "./span.ts";

/** A span that states the final answer. */
export type Answer = Span & { form: AnswerForm };

/**
 * The final answer stated in a text. The most deliberate marking wins: the last balanced
 * \boxed{...}, then <answer>...</answer>, then the line after the last ####, then after the last
 * "the answer is", then after the last #.
 */
export function findAnswer(text: string): Answer | null {
  return findMarked(text) ?? as("hash", lineAfter(text, text.lastIndexOf("#"), 1));
}

/** The same, but a single # must be followed at once by a number: others are headings. */
export function findStated(text: string): Answer | null {
  const marked = findMarked(text);
  if (marked) return marked;
  const at = text.lastIndexOf("#");
  return /[-\d]/.test(text[at + 1] ?? "") ? as("hash", lineAfter(text, at, 1)) : null;
}

function findMarked(text: string): Answer | null {
  const found =
    as("boxed", lastBoxes(text)) ??
    as("tags", lastTagged(text)) ??
    as("hashes", lineAfter(text, text.lastIndexOf("####"), 4));
  if (found === null) return as("phrase", announced(text));
  return { ...found, ...withoutAnnouncement(text, found) };
}

export const as = (form: AnswerForm, span: Span | null): Answer | null => span && { ...span, form };

const LAST_NUMBER =
  /(?<![\w.])-?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:\/\d+)?%?|(?<![\w.])-?\.\d+%?/g;

/** The last number of a text, for models that mark no answer. */
export function lastNumber(text: string): Answer | null {
  const match = [...text.slice(-10_000).matchAll(LAST_NUMBER)].pop();
  if (!match) return null;
  const start = Math.max(0, text.length - 10_000) + match.index;
  return { text: match[0], start, end: start + match[0].length, form: "last-number" };
}

/** The answer that a text states or, where it marks none or only announces one without a number, its last number. */
export const orLastNumber =
  (find: (text: string) => Answer | null) =>
  (text: string): Answer | null => {
    const found = find(text);
    if (found && (found.form !== "phrase" || /\d/.test(found.text))) return found;
    return lastNumber(text) ?? found;
  };

function lastTagged(text: string): Span | null {
  // a tag closes the one opened last, and what closes nothing means nothing
  const pair = [...text.matchAll(/<answer>((?:(?!<\/?answer>)[\s\S])*)<\/answer>/gi)].pop();
  if (!pair) return null;
  const start = pair.index + "<answer>".length;
  return trimmed(text, start, start + pair[1].length);
}

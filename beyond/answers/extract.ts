/** Finding the final answer in the text of a completion. */
import type { AnswerForm } from "../../lib/data/judge.ts";

/** Characters from `start` to before `end` of the text that was searched. */
export type Span = { text: string; start: number; end: number };
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
  return (
    as("boxed", lastBoxed(text)) ??
    as("tags", lastTagged(text)) ??
    as("hashes", lineAfter(text, text.lastIndexOf("####"), 4)) ??
    as("phrase", answerPhrase(text))
  );
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

/** One pass with a stack of open braces, so that unbalanced text costs no more than other text. */
function lastBoxed(text: string): Span | null {
  const open: number[] = [];
  let best: Span | null = null;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === "\\" && /[{}\\]/.test(text[i + 1] ?? "")) i++;
    else if (c === "{") open.push(i + 1);
    else if (c === "}") {
      const start = open.pop() ?? 0;
      const isBoxed = text.endsWith("\\boxed{", start) || text.endsWith("\\fbox{", start);
      if (start > 0 && isBoxed && start > (best?.start ?? 0))
        best = trimmed(text, start, i) ?? best;
    }
  }
  return best ?? unbraced(text);
}

/** \boxed 5 and \boxed5, as some solutions of MATH have it. */
function unbraced(text: string): Span | null {
  const at = text.lastIndexOf("\\boxed");
  const match = at < 0 ? null : /^\\boxed *([^\s{}$\\.,;]{1,40})/.exec(text.slice(at, at + 60));
  if (!match) return null;
  const start = at + match[0].length - match[1].length;
  return trimmed(text, start, at + match[0].length);
}

function lastTagged(text: string): Span | null {
  const end = text.lastIndexOf("</answer>");
  const start = end < 0 ? -1 : text.lastIndexOf("<answer>", end);
  return start < 0 ? null : trimmed(text, start + "<answer>".length, end);
}

function answerPhrase(text: string): Span | null {
  let last = -1;
  for (const match of text.matchAll(/\banswer is\b:?|\banswer:(?:\*\*)?/gi))
    last = match.index + match[0].length;
  if (last < 0) return null;
  const line = lineAfter(text, last, 0);
  if (line === null) return null;
  const sentence = line.text.search(/[.!?](\s|$)/);
  return sentence < 0 ? line : trimmed(text, line.start, line.start + sentence);
}

/** What follows a marker of `length` characters at `at`, to the end of its line. */
function lineAfter(text: string, at: number, length: number): Span | null {
  if (at < 0) return null;
  const newline = text.indexOf("\n", at + length);
  return trimmed(text, at + length, newline < 0 ? text.length : newline);
}

function trimmed(text: string, start: number, end: number): Span | null {
  const raw = text.slice(start, end);
  const content = raw.trim();
  if (content === "") return null;
  const from = start + raw.indexOf(content);
  return { text: content, start: from, end: from + content.length };
}

/** Answers announced in words: "the answer is 5", "**Answer**: 5", a heading "Final Answer" with the answer under it. */
import { lineAfter, type Span, trimmed } from "./span.ts";

const BOLD = "[*_]{0,3}";
/** "answer is", "answers are", "Answer:", "answer to the problem is just"; bold signs and a colon may stand about. */
const ANNOUNCED = new RegExp(
  `(?<![a-z])answers?(?![a-z])${BOLD}(?: (?:to|of|for|in) [^.:\\n]{1,60}?)?` +
    `(?: *[:\uff1a=]| (?:is|are)\\b(?: (?:just|simply|thus|therefore|then|now|exactly|equal to|given by)\\b)*:?)${BOLD}`,
  "gi",
);
/** A line of its own: ### Final Answer, **Answer**. */
const HEADING = new RegExp(`^[ \\t]*(?:#{1,6} *)?${BOLD}(?:final )?answer${BOLD}[ \\t]*$`, "gim");
/** The same at the start of an answer that is marked otherwise: #### Answer: 5, \boxed{\text{Answer: } 5}. */
const PREFIX = new RegExp(
  `^(?:\\\\text(?:bf)?\\s*\\{\\s*)?${BOLD}(?:so |thus |therefore,? )?(?:the )?(?:final |correct )?${ANNOUNCED.source}`,
  "i",
);

/** What follows the last announcement of an answer, up to the end of its sentence. */
export function announced(text: string): Span | null {
  let last = -1;
  for (const pattern of [ANNOUNCED, HEADING]) {
    for (const match of text.matchAll(pattern)) {
      last = Math.max(last, match.index + match[0].length);
    }
  }
  if (last < 0) return null;
  const line = lineAfter(text, last, 0) ?? nextLine(text, last);
  return line && sentence(text, line);
}

/** An answer marked otherwise without the announcement that it begins with. */
export function withoutAnnouncement(text: string, span: Span): Span {
  const prefix = PREFIX.exec(span.text)?.[0];
  if (prefix === undefined) return span;
  const from = span.start + prefix.length;
  if (!prefix.startsWith("\\")) return trimmed(text, from, span.end) ?? span;
  // \text{Answer: } 5 and \text{Answer: 5}
  const rest = /^\s*\}\s*/.exec(text.slice(from, span.end))?.[0];
  if (rest !== undefined) return trimmed(text, from + rest.length, span.end) ?? span;
  return (text[span.end - 1] === "}" && trimmed(text, from, span.end - 1)) || span;
}

/** The next line that is neither empty nor a fence of code. */
function nextLine(text: string, from: number): Span | null {
  const pattern = /\n[ \t]*(?!```)(?=\S)/g;
  pattern.lastIndex = from;
  const match = pattern.exec(text);
  return match && lineAfter(text, match.index, match[0].length);
}

const CLAUSE =
  /,? (?:because|since|which|altogether|in total)\b|, (?:so|as|thus|hence|therefore|meaning)\b/;
/** A number with at most three words, and a clause after it. */
const NUMBER_CLAUSE =
  /^[*$\\([ ]*[-+]?[\d.,/]*\d[*$\\)\]%]*(?: [a-z]+){0,3}(?=, (?!and\b|or\b)[a-z])/i;

function sentence(text: string, line: Span): Span | null {
  const ends = [
    line.text.search(/[.!?][*_]*(?:\s|$)/),
    line.text.search(CLAUSE),
    NUMBER_CLAUSE.exec(line.text)?.[0].length ?? -1,
  ].filter((end) => end > 0);
  const cut = trimmed(text, line.start, Math.min(line.end, ...ends.map((end) => line.start + end)));
  if (cut === null) return null;
  // bold that was opened before the announcement ends here
  const closing = /^[^*]+?(\*\*)$/.exec(cut.text);
  return closing ? trimmed(text, cut.start, cut.end - 2) : cut;
}

/** Pieces of a text that know where they stand. */

/** Characters from `start` to before `end` of the text that was searched. */
export type Span = { text: string; start: number; end: number };

/** What follows a marker of `length` characters at `at`, to the end of its line; null for nothing. */
export function lineAfter(text: string, at: number, length: number): Span | null {
  if (at < 0) return null;
  const newline = text.indexOf("\n", at + length);
  const end = newline < 0 ? text.length : newline;
  const token = text.slice(at + length, end).search(ENDING);
  return trimmed(text, at + length, token < 0 ? end : at + length + token);
}

/** A token that ends a text or a turn, written out: <|im_end|>, </s>, <eos>. */
const ENDING = /<\|[^|<>\n]{1,40}\|>|<\/s>|<eos>|<end_of_turn>|<\uff5c[^\uff5c<>\n]{1,40}\uff5c>/;

/** The characters from `start` to before `end` without white space and backticks around them. */
export function trimmed(text: string, start: number, end: number): Span | null {
  const raw = text.slice(start, end);
  const content = raw.trim();
  if (content === "") return null;
  const from = start + raw.indexOf(content);
  const ticks = /^(`+)[^`]+\1$/.exec(content)?.[1].length ?? 0;
  if (ticks > 0) return trimmed(text, from + ticks, from + content.length - ticks);
  return { text: content, start: from, end: from + content.length };
}

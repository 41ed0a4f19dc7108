/** Answers in boxes: \boxed{...} and \fbox{...}. */
import { type Span, trimmed } from "./span.ts";

/** A box: from its backslash to after its brace, and what is in it. */
interface Box {
  start: number;
  end: number;
  content: Span;
}

/** What joins boxes to one answer: \boxed{1} and \boxed{2}, $x=\boxed{1}$, $y=\boxed{2}$. */
const JOINT =
  /^[\s$]*(?:\\[)\]]\s*)?(?:[,;]|(?:[,;]\s*)?(?:\\q?quad\s*)?(?:\\text\s*\{\s*)?\b(?:and|or)\b(?:\s*\})?(?:\s*\\q?quad)?)[\s$]*(?:\\[([]\s*)?(?:([A-Za-z]\w?)\s*=\s*)?$/;
const areJoined = (between: string) => between.length <= 40 && JOINT.test(between);
const LABEL = /([A-Za-z]\w?)\s*=\s*$/;

/** The last box that is not empty, with those that are joined to it. */
export function lastBoxes(text: string): Span | null {
  const boxes = innermost(allBoxes(text));
  if (boxes.length === 0) return unbraced(text);
  let first = boxes.length - 1;
  const last = boxes[first];
  while (first > 0 && areJoined(text.slice(boxes[first - 1].end, boxes[first].start))) first--;
  const joined = boxes.slice(first);
  if (new Set(joined.map(({ content }) => content.text)).size === 1) return last.content;
  // two values of one thing are a list of them, values of different things keep their names
  const labels = joined.map(({ start }) => LABEL.exec(text.slice(Math.max(0, start - 8), start)));
  const names = labels.map((label) => label?.[1]);
  const named = names.every((name) => name !== undefined) && new Set(names).size === names.length;
  const parts = joined.map(({ content }, i) =>
    named ? `${names[i]}=${content.text}` : content.text,
  );
  return { text: parts.join(", "), start: joined[0].content.start, end: last.content.end };
}

/** One pass with a stack of open braces, so that unbalanced text costs no more than other text. */
function allBoxes(text: string): Box[] {
  const open: number[] = [];
  const boxes: Box[] = [];
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === "\\" && /[{}\\]/.test(text[i + 1] ?? "")) i++;
    else if (c === "{") open.push(i);
    else if (c === "}") {
      const brace = open.pop() ?? 0;
      const command = /\\f?box(?:ed)?\s{0,3}$/.exec(text.slice(Math.max(0, brace - 10), brace));
      const content = command && trimmed(text, brace + 1, i);
      if (command && content) boxes.push({ start: brace - command[0].length, end: i + 1, content });
    }
  }
  return boxes;
}

/** Of boxes within boxes the innermost, in the order of the text. */
function innermost(boxes: Box[]): Box[] {
  const kept: Box[] = [];
  // an inner box ends first, and so comes first
  for (const box of boxes) {
    const inner = kept.at(-1);
    if (inner === undefined || inner.start < box.start) kept.push(box);
  }
  return kept;
}

/** \boxed 5 and \boxed5, as some solutions of MATH have it. */
function unbraced(text: string): Span | null {
  const at = text.lastIndexOf("\\boxed");
  const match = at < 0 ? null : /^\\boxed *([^\s{}$\\.,;]{1,40})/.exec(text.slice(at, at + 60));
  if (!match) return null;
  const start = at + match[0].length - match[1].length;
  return trimmed(text, start, at + match[0].length);
}

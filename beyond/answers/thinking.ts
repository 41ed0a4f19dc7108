/** What a reasoning model thinks before it answers, which is not its answer. */

import { UserError } from "../../lib/errors.ts";

/** How a model's thinking is marked. */
export interface Thinking {
  /** Where it begins and where it ends. */
  tags: readonly (readonly [open: string, close: string])[];
  /** The end of what the prompt itself begins, so that a completion starts inside; null where it does not. */
  begun: string | null;
}

/** Delimiters from the command line. */
export function parseThinkTags(text: string | null): readonly [open: string, close: string] | null {
  if (text === null) return null;
  const [open, close, ...more] = text.split(",");
  if (open && close && more.length === 0) return [open, close];
  throw new UserError(
    `--think-tags ${text}: give two texts and a comma between them, such as <think>,</think>`,
  );
}

/** The delimiters of reasoning models, whose text means nothing else. */
const TAGS: Thinking["tags"] = [
  ["<think>", "</think>"],
  ["<thinking>", "</thinking>"],
  ["<thought>", "</thought>"],
  ["<reasoning>", "</reasoning>"],
  ["[THINK]", "[/THINK]"],
  ["<seed:think>", "</seed:think>"],
  ["\u25c1think\u25b7", "\u25c1/think\u25b7"],
  ["<|begin_of_thought|>", "<|end_of_thought|>"],
  ["<|START_THINKING|>", "<|END_THINKING|>"],
  ["<|channel|>analysis<|message|>", "<|end|>"],
];

export const USUAL: Thinking = { tags: TAGS, begun: null };

/** Names of what stands in delimiters of thinking: think, ifm|think, reason, thought. */
const NAME = String.raw`[\w:|.-]{0,20}(?:think|thought|reason)[\w:|.-]{0,20}`;
const CLOSING = new RegExp(`<(/)${NAME}>|\\[(/)${NAME}\\]|<\\|(/)${NAME}\\|>`, "gi");

/**
 * How a model marks its thinking.
 * @param template its chat template; null without one
 * @param prompt a prompt as it makes them
 * @param given delimiters from the user; null for none
 */
export function thinkingOf(
  template: string | null,
  prompt: string,
  given: readonly [open: string, close: string] | null,
): Thinking {
  const own = [...(template ?? "").matchAll(CLOSING)].map(
    ([close]) => [close.replace("/", ""), close] as const,
  );
  const tags = [...(given ? [given] : []), ...own, ...TAGS];
  const different = [...new Map(tags.map((pair) => [pair.join("\n"), pair])).values()];
  const begun = different.find(([open]) => prompt.trimEnd().endsWith(open));
  return { tags: different, begun: begun?.[1] ?? null };
}

/**
 * The text with spaces in place of what was thought, so that all else stands where it stood. Thinking that
 * never closes goes on to the end; an end without a beginning ends what began in the prompt.
 */
export function withoutThinking(text: string, { tags, begun }: Thinking): string {
  if (begun !== null && !text.includes(begun)) return blank(text);
  return tags.reduce((rest, [open, close]) => withoutPart(rest, open, close), text);
}

function withoutPart(text: string, open: string, close: string): string {
  let at = text.indexOf(close);
  at = at < 0 || text.lastIndexOf(open, at) >= 0 ? 0 : at + close.length;
  const pieces = [blank(text.slice(0, at))];
  while (at < text.length) {
    const start = text.indexOf(open, at);
    if (start < 0) break;
    const end = text.indexOf(close, start + open.length);
    const after = end < 0 ? text.length : end + close.length;
    pieces.push(text.slice(at, start), blank(text.slice(start, after)));
    at = after;
  }
  return at === 0 ? text : pieces.join("") + text.slice(at);
}

const blank = (text: string) => text.replace(/[^\n]/g, " ");

/** What `sft` teaches: a prompt as the model is asked, and the completion with the token that ends it. */
import type { Turn } from "../../lib/data/judge.ts";
import type { Asked } from "../../lib/data/questions.ts";
import type { Prompter } from "./chat.ts";
import type { EndTokens } from "./end-tokens.ts";

/** What is said to a prompt: text that follows it as it is, or a turn that goes through the chat template. */
export interface Lesson {
  asked: Asked;
  said: string | Turn;
}

/** A lesson as tokens. The completion ends with exactly one token that ends completions. */
export interface Example {
  prompt: number[];
  completion: number[];
}

/** The token that the chat template closes the assistant's turn with; null if that is none, or there is no template. */
export function closingToken({ closing, tokenizer }: Prompter): number | null {
  const [first] = closing ? tokenizer.encode(closing.trimStart()) : [];
  return first !== undefined && tokenizer.isSpecial(first) ? first : null;
}

/** Of the tokens that end a completion, the one that is taught: the template's, else the tokenizer's, else the first. */
export function taughtEnd(prompter: Prompter, { ids }: EndTokens): number {
  const likely = [closingToken(prompter), prompter.tokenizer.eosId];
  return likely.find((id) => id !== null && ids.includes(id)) ?? ids[0];
}

/** @param what names the row in errors */
export function encodeLesson(
  prompter: Prompter,
  { asked, said }: Lesson,
  ends: EndTokens,
  what: string,
): Example {
  const { tokenizer } = prompter;
  const prompt = prompter.encodePrompt(asked, what);
  const text = typeof said === "string" ? said : prompter.reply(asked, said, what);
  const isEnd = (id: number | undefined) => id !== undefined && ends.ids.includes(id);
  const trimmed = tokenizer.encode(text.trimEnd());
  const completion = isEnd(trimmed.at(-1)) ? trimmed : tokenizer.requireReadable(text, what);
  let end = taughtEnd(prompter, ends);
  while (isEnd(completion.at(-1))) end = completion.pop() as number;
  return { prompt, completion: [...completion, end] };
}

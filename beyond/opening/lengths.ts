/** How long prompts and completions may be. */
import type { Question } from "../../lib/data/questions.ts";
import { UserError } from "../../lib/errors.ts";

/** Tokens of the longest prompt. */
export function longestPrompt(questions: readonly Question[]): number {
  return questions.reduce((longest, { prompt }) => Math.max(longest, prompt.length), 1);
}

/**
 * Settles the most tokens a completion may have: as many as were asked for, else 256 or half of the
 * model's context if that is less.
 * @param flag names it in messages
 * @throws UserError for a question that leaves no room for such a completion in the context
 */
export function fitContext<S extends { maxCompletionLength: number | null }>(
  settings: S,
  questions: readonly Question[],
  context: number,
  flag = "--max-completion-length",
): S & { maxCompletionLength: number } {
  const maxCompletionLength = settings.maxCompletionLength ?? Math.min(256, context >> 1);
  const room = context - maxCompletionLength;
  for (const { text, prompt } of questions) {
    if (prompt.length > room) {
      const start = JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
      const most = context - longestPrompt(questions);
      const fix = most > 0 ? `lower that to ${most} or less` : "shorten it";
      throw new UserError(
        `the prompt ${start} has ${prompt.length} tokens, and ${flag} ${maxCompletionLength} leaves ${Math.max(0, room)} of the model's context of ${context}; ${fix}`,
      );
    }
  }
  return { ...settings, maxCompletionLength };
}

/** A question and one completion of it must fit one micro-batch. */
export function requireMicroBatch(
  promptTokens: number,
  {
    maxCompletionLength,
    microBatchTokens,
  }: { maxCompletionLength: number; microBatchTokens: number },
): void {
  const needed = promptTokens + maxCompletionLength;
  if (needed > microBatchTokens) {
    throw new UserError(
      `a prompt and its completion may have ${needed} tokens; raise --micro-batch-tokens ${microBatchTokens} to that, or lower --max-completion-length`,
    );
  }
}

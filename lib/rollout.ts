import type { AnswerForm } from "../beyond/answers/extract.ts";
import type { Completed, Judgement, Outcome } from "../beyond/answers/outcome.ts";
import type { Row } from "../beyond/datasets/rows.ts";
import type { Prompter } from "../beyond/models/chat.ts";
import type { Policy } from "../beyond/opening/policy.ts";
import { UserError } from "./errors.ts";
import type { Completion, GenerationSettings } from "./model/completion.ts";
import type { SamplingOptions } from "./model/ops/sample.ts";

/** A question ready to be asked: as tokens, with its right answer in canonical form. */
export interface Question {
  text: string;
  prompt: number[];
  gold: string;
  /** Tells the outcomes of completions of this question. */
  judge: (completions: readonly Completed[]) => Promise<Judgement[]>;
}

/** A completion with what it says. */
export interface JudgedCompletion extends Completion {
  text: string;
  /** Canonical final answer; null when it states none, or was cut off. */
  outcome: string | null;
  correct: boolean;
  /** How the final answer is marked; null when there is none. */
  form: AnswerForm | null;
  /** What the user's own code gave it; 0 with a built-in outcome. */
  userReward: number;
  /** First token of the final answer; all of them when there is none. */
  answerStart: number;
}

/** The completions of one question. */
export interface Group {
  question: Question;
  /** Place among the questions drawn in its step. */
  slot: number;
  completions: JudgedCompletion[];
}

/** What randomness is for: different purposes with one seed never share numbers. */
export const PURPOSE = { train: 0, evaluate: 1, sample: 2 } as const;

/** Reads every row's question and answer; `source` names the file in messages. */
export function prepareQuestions(
  prompter: Pick<Prompter, "encodePrompt">,
  rows: Iterable<Row>,
  source: string,
  outcome: Outcome,
): Question[] {
  return Array.from(rows, (row) => {
    const where = `${source}:${row.line}`;
    const gold = outcome.gold(row);
    if (gold === null) {
      const problem = row.answer.trim() === "" ? "is empty" : "is none that --outcome understands";
      throw new UserError(`${where}: the answer ${problem}; give every row one`);
    }
    return {
      text: row.question,
      prompt: prompter.encodePrompt(row.question, where),
      gold,
      judge: (completions) => outcome.judge(completions, { row, gold }),
    };
  });
}

/** Tokens of the longest prompt. */
export function longestPrompt(questions: readonly Question[]): number {
  return questions.reduce((longest, { prompt }) => Math.max(longest, prompt.length), 1);
}

/**
 * Settles the most tokens a completion may have: as many as were asked for, else 256 or half of the
 * model's context if that is less.
 * @throws UserError for a question that leaves no room for such a completion in the context
 */
export function fitContext<S extends { maxCompletionLength: number | null }>(
  settings: S,
  questions: readonly Question[],
  context: number,
): S & { maxCompletionLength: number } {
  const maxCompletionLength = settings.maxCompletionLength ?? Math.min(256, context >> 1);
  const room = context - maxCompletionLength;
  for (const { text, prompt } of questions) {
    if (prompt.length > room) {
      const start = JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
      throw new UserError(
        `the prompt ${start} has ${prompt.length} tokens, and --max-completion-length ${maxCompletionLength} leaves ${Math.max(0, room)} of the model's context of ${context}; shorten it${prompt.length < context ? " or lower that" : ""}`,
      );
    }
  }
  return { ...settings, maxCompletionLength };
}

export interface RolloutSettings extends SamplingOptions {
  maxCompletionLength: number;
  stop: readonly string[];
  seed: number;
}

/**
 * Samples `samples` completions of each question and judges them. `step` and the question's slot,
 * counted from `firstSlot`, key the randomness.
 */
export async function rollout(
  policy: Policy,
  questions: readonly Question[],
  samples: number,
  settings: RolloutSettings,
  purpose: number,
  step: number,
  firstSlot = 0,
): Promise<Group[]> {
  const requests = questions.map(({ prompt }, i) => ({ prompt, samples, slot: firstSlot + i }));
  const completions = await policy.sampler.generate(policy.weights, requests, {
    ...generationSettings(policy, settings),
    seed: [settings.seed, purpose],
    step,
  });
  const groups: Group[] = [];
  for (const [i, question] of questions.entries()) {
    const judged = await judge(policy, question, completions[i], settings.stop);
    groups.push({ question, slot: firstSlot + i, completions: judged });
  }
  return groups;
}

function generationSettings(
  { tokenizer, stopIds }: Policy,
  settings: RolloutSettings,
): Omit<GenerationSettings, "seed" | "step"> {
  const { stop, temperature, topK, topP, minP } = settings;
  const longest = stop.reduce((length, text) => Math.max(length, text.length), 0);
  // A stop text of n characters lies within the last n tokens that spell anything, and a few more.
  const isOver = (tokens: readonly number[]) => {
    const tail = tokenizer.decode(tokens.slice(-(longest + 8)));
    return stop.some((text) => tail.includes(text));
  };
  return {
    temperature,
    topK,
    topP,
    minP,
    maxNewTokens: settings.maxCompletionLength,
    stopIds,
    isOver: stop.length > 0 ? isOver : undefined,
  };
}

async function judge(
  { tokenizer }: Policy,
  question: Question,
  completions: readonly Completion[],
  stop: readonly string[],
): Promise<JudgedCompletion[]> {
  const decoded = completions.map(({ tokens, finished }) => {
    const { text, starts } = tokenizer.decodeTokens(tokens);
    return { text: beforeStop(text, stop), starts, truncated: !finished };
  });
  const judgements = await question.judge(decoded);
  return completions.map((completion, i) => {
    const { outcome, correct, form, userReward, answerStart } = judgements[i];
    let firstToken = completion.tokens.length;
    if (answerStart !== null) {
      // The last token that begins at or before the answer does.
      firstToken = decoded[i].starts.findLastIndex((start) => start <= answerStart);
    }
    const { text } = decoded[i];
    return { ...completion, text, outcome, correct, form, userReward, answerStart: firstToken };
  });
}

function beforeStop(text: string, stop: readonly string[]): string {
  let end = text.length;
  for (const mark of stop) {
    const at = text.indexOf(mark);
    if (at >= 0) end = Math.min(end, at);
  }
  return text.slice(0, end);
}

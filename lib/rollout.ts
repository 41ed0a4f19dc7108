import type { Judgement } from "./data/judge.ts";
import type { Question } from "./data/questions.ts";
import type { Completion, GenerationSettings } from "./model/completion.ts";
import type { SamplingOptions } from "./model/ops/sample.ts";
import type { SamplingPolicy, Tokenizer } from "./policy.ts";

type Said = Pick<Judgement, "outcome" | "correct" | "form" | "paid">;

/** A completion with what it says. */
export interface JudgedCompletion extends Completion, Said {
  text: string;
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

export interface RolloutSettings extends SamplingOptions {
  readonly maxCompletionLength: number;
  stop: readonly string[];
  seed: number;
}

/**
 * Samples `samples` completions of each question and judges them. `step` and the question's slot,
 * counted from `firstSlot`, key the randomness.
 */
export async function rollout(
  policy: SamplingPolicy,
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
    const training = purpose === PURPOSE.train ? step : undefined;
    const judged = await judge(policy, question, completions[i], settings.stop, training);
    groups.push({ question, slot: firstSlot + i, completions: judged });
  }
  return groups;
}

function generationSettings(
  { tokenizer, stopIds }: SamplingPolicy,
  settings: RolloutSettings,
): Omit<GenerationSettings, "seed" | "step"> {
  const { stop, temperature, topK, topP, minP } = settings;
  return {
    temperature,
    topK,
    topP,
    minP,
    maxNewTokens: settings.maxCompletionLength,
    stopIds,
    isOver: stopTest(tokenizer, stop),
  };
}

/** Whether a completion that has just grown contains a stop text; nothing where there is none. */
export function stopTest(tokenizer: Tokenizer, stop: readonly string[]) {
  if (stop.length === 0) return undefined;
  const longest = Math.max(...stop.map((text) => text.length));
  // A stop text of n characters lies within the last n tokens that spell anything, and a few more.
  return (tokens: readonly number[]): boolean => {
    const tail = tokenizer.decode(tokens.slice(-(longest + 8)), true);
    return stop.some((text) => tail.includes(text));
  };
}

async function judge(
  { tokenizer, stopIds }: SamplingPolicy,
  question: Question,
  completions: readonly Completion[],
  stop: readonly string[],
  step?: number,
): Promise<JudgedCompletion[]> {
  const decoded = completions.map(({ tokens, finished }) => {
    const { text, starts } = tokenizer.decodeTokens(tokens, stopIds);
    const truncated = !finished;
    return { text: beforeStop(text, stop), starts, truncated, tokens: tokens.length };
  });
  const judgements = await question.judge(decoded, step);
  return completions.map((completion, i) => {
    const { outcome, correct, form, paid, answerStart } = judgements[i];
    let firstToken = completion.tokens.length;
    if (answerStart !== null) {
      // The last token that begins at or before the answer does.
      firstToken = decoded[i].starts.findLastIndex((start) => start <= answerStart);
    }
    const { text } = decoded[i];
    return { ...completion, text, outcome, correct, form, paid, answerStart: firstToken };
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

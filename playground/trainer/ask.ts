/** Questions that a visitor types. */

import type { Question } from "../../lib/data/questions.ts";
import { UserError } from "../../lib/errors.ts";
import type { SamplingPolicy } from "../../lib/policy.ts";
import { PURPOSE, rollout } from "../../lib/rollout.ts";
import type { Answers } from "../messages.ts";
import { type EmbeddedModel, questionsOf } from "./model.ts";
import { LONGEST_PROMPT, sampling } from "./settings.ts";
import { answersIn } from "./trainee.ts";

/** Completions of each model. */
const SAMPLES = 32;

/** @throws UserError for what is no sum, or one too long */
export function typedQuestion(model: EmbeddedModel, typed: string): Question {
  const text = `${typed.replace(/[\s=]/g, "")}=`;
  if (!/^\d+([-+]\d+)*=$/.test(text)) {
    throw new UserError(`“${typed}” is no sum; the model reads such as 23+7-4+9=`);
  }
  const summands = text.match(/[-+]?\d+/g) ?? [];
  // as large as a question may be
  const answer = summands.reduce((sum, summand) => sum + BigInt(summand), 0n);
  const row = { question: text, answer: String(answer), line: 1 };
  const [question] = questionsOf(model.tokenizer, [row], "your question");
  if (question.prompt.length > LONGEST_PROMPT) {
    throw new UserError(
      `the sum is too long: ${question.prompt.length} tokens of at most ${LONGEST_PROMPT}`,
    );
  }
  return question;
}

/** What a model answers, over and over, in words of its own. */
export async function askOne(
  policy: SamplingPolicy,
  question: Question,
  seed: number,
): Promise<Answers> {
  const settings = sampling(seed);
  const [group] = await rollout(policy, [question], SAMPLES, settings, PURPOSE.sample, 0);
  return answersIn(group);
}

/**
 * What a completion earns: a weighted sum of parts, such as correct=1, format=0.1, length=-0.0005.
 *
 *     r = sum over parts of weight * part
 *
 * The user's own code pays parts of its own, of any names, or leaves a completion out.
 * Only `correct` says whether a question is solved: pass@k, the count of solved questions and the
 * exploration term of a solved group go by it, never by r.
 */
import type { AnswerForm, PaidPart } from "./data/judge.ts";

/** What is known of a completion when it is paid. */
export interface Earning {
  /** Whether its outcome is the right one. */
  correct: boolean;
  /** How its final answer is marked; null when it states none. */
  form: AnswerForm | null;
  /** By the user's own code. Null leaves the completion out. */
  paid: readonly PaidPart[] | null;
  /** [L], the end token included. */
  tokens: ArrayLike<number>;
}

/** The form in which `format` wants the answer. */
export const ANSWER_FORMS = ["any", "boxed", "tags", "hashes"] as const;
export type AskedForm = (typeof ANSWER_FORMS)[number];

const PARTS = {
  /** 1 for the right answer, else 0. */
  correct: ({ correct }: Earning) => Number(correct),

  /** 1 if the answer stands in the form asked for, right or wrong, else 0. */
  format: ({ form }: Earning, { answerForm }: RewardRules) => Number(isAsked(form, answerForm)),

  /** The number of tokens, the end token included: its weight is small and negative. */
  length: ({ tokens }: Earning) => tokens.length,

  /** DAPO's soft punishment of length, from 0 to -1. */
  overlong: ({ tokens }: Earning, rules: RewardRules) =>
    overlongPunishment(tokens.length, rules.maxCompletionLength, rules.overlongCache),
};

export type RewardPart = keyof typeof PARTS;
export const REWARD_PARTS = Object.keys(PARTS) as RewardPart[];

/** One summand of the reward. */
export interface RewardTerm {
  part: RewardPart;
  weight: number;
}

/** What decides a reward: its summands and what they depend on. */
export interface RewardRules {
  terms: readonly RewardTerm[];
  answerForm: AskedForm;
  /** Most tokens in a completion. */
  maxCompletionLength: number;
  /** Tokens before that limit in which `overlong` grows. */
  overlongCache: number;
}

/** A reward and the values of its parts before they are weighted; null for a part that does not apply. */
export interface Earned {
  /** Null for a completion that is left out: of means, deviations and the loss. */
  reward: number | null;
  parts: Record<string, number | null>;
}

/** What a completion earns. */
export function earned(completion: Earning, rules: RewardRules): Earned {
  const parts: Earned["parts"] = {};
  let reward = 0;
  for (const { part, weight } of rules.terms) {
    const value = PARTS[part](completion, rules);
    parts[part] = value;
    reward += weight * value;
  }
  if (completion.paid === null) return { reward: null, parts };
  for (const { part, weight, value } of completion.paid) {
    parts[part] = value;
    reward += weight * (value ?? 0);
  }
  return { reward, parts };
}

/** A phrase or the last number is an answer, but in no form that a prompt asks for. */
export function isAsked(form: AnswerForm | null, asked: AskedForm): boolean {
  if (asked === "any") return form !== null && form !== "phrase" && form !== "last-number";
  return form === asked;
}

/**
 * The soft overlong punishment of DAPO (Yu et al. 2025, arXiv 2503.14476, eq. 13), for |y| tokens:
 *
 *     0                                   |y| <= L_max - L_cache
 *     ((L_max - L_cache) - |y|) / L_cache     up to |y| = L_max
 *     -1                                  |y| > L_max
 */
export function overlongPunishment(tokens: number, max: number, cache: number): number {
  const over = tokens - (max - cache);
  return over <= 0 ? 0 : Math.max(-1, -over / cache);
}

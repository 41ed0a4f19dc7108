/**
 * What a completion earns: a weighted sum of parts, `--reward correct=1,format=0.1,length=-0.0005`.
 *
 *     r = sum over parts of weight * part
 *
 * Only `correct` says whether a question is solved: pass@k, the count of solved questions and the
 * exploration term of a solved group go by it, never by r.
 */
import type { AnswerForm } from "../beyond/answers/extract.ts";
import { isUserCode } from "../beyond/answers/user.ts";
import { nearest } from "../beyond/settings/nearest.ts";
import { UserError } from "./errors.ts";

/** What is known of a completion when it is paid. */
export interface Earning {
  /** Whether its outcome is the right one. */
  correct: boolean;
  /** How its final answer is marked; null when it states none. */
  form: AnswerForm | null;
  /** What the user's own code gave it; 0 with a built-in outcome. */
  userReward: number;
  /** [L], the end token included. */
  tokens: ArrayLike<number>;
}

export interface RewardLengths {
  /** Most tokens in a completion. */
  maxCompletionLength: number;
  /** Tokens before that limit in which `overlong` grows; null for a fifth of the limit. */
  overlongCache: number | null;
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

  /** What the user's own --outcome code returns as its reward. */
  user: ({ userReward }: Earning) => userReward,
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
  maxCompletionLength: number;
  overlongCache: number;
}

/** A reward and the values of its parts before they are weighted. */
export interface Earned {
  reward: number;
  parts: Partial<Record<RewardPart, number>>;
}

/**
 * Reads `part=weight,...`; without it the reward is `correct`, or what the user's own code returns.
 * @throws UserError for an unknown or repeated part, a weight that is no number, and `user` without
 *   code of the user's
 */
export function parseReward(text: string | null, outcome: string): RewardTerm[] {
  const given = text ?? (isUserCode(outcome) ? "user=1" : "correct=1");
  const terms = given.split(",").map((summand): RewardTerm => {
    const [name, weight = "", ...more] = summand.split("=").map((side) => side.trim());
    const part = REWARD_PARTS.find((known) => known === name);
    if (!part) {
      const hint = nearest(name, REWARD_PARTS);
      const fix = hint ? `did you mean ${hint}?` : `there are ${REWARD_PARTS.join(", ")}`;
      throw new UserError(`--reward has no part "${name}"; ${fix}`);
    }
    if (weight === "" || more.length > 0 || !Number.isFinite(Number(weight))) {
      throw new UserError(`--reward ${summand.trim()} needs a weight, such as ${part}=0.5`);
    }
    return { part, weight: Number(weight) };
  });
  const names = terms.map(({ part }) => part);
  const repeated = names.find((part, i) => names.indexOf(part) !== i);
  if (repeated) throw new UserError(`--reward gives ${repeated} twice`);
  if (names.includes("user") && !isUserCode(outcome)) {
    throw new UserError("--reward user=... needs code of your own: --outcome ./my-outcome.ts");
  }
  return terms;
}

/**
 * The rules of a run, once its lengths are settled.
 * @throws UserError for an --overlong-cache longer than a completion
 */
export function rewardRules(
  terms: readonly RewardTerm[],
  answerForm: AskedForm,
  { maxCompletionLength, overlongCache }: RewardLengths,
): RewardRules {
  const cache = overlongCache ?? Math.max(1, Math.round(maxCompletionLength / 5));
  if (cache > maxCompletionLength) {
    throw new UserError(
      `--overlong-cache ${cache} must not exceed --max-completion-length ${maxCompletionLength}`,
    );
  }
  return { terms, answerForm, maxCompletionLength, overlongCache: cache };
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
  return { reward, parts };
}

/** A phrase or the last number is an answer, but in no form that a prompt asks for. */
function isAsked(form: AnswerForm | null, asked: AskedForm): boolean {
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

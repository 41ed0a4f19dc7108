/** Reading `--reward correct=1,format=0.1,length=-0.0005`. */
import { UserError } from "../../lib/errors.ts";
import {
  type AskedForm,
  REWARD_PARTS,
  type RewardRules,
  type RewardTerm,
} from "../../lib/rewards.ts";
import { isUserCode, LARGEST_REWARD } from "../answers/user.ts";
import { nearest } from "./nearest.ts";

export interface RewardLengths {
  /** Most tokens in a completion. */
  maxCompletionLength: number;
  /** Tokens before that limit in which the part `overlong` grows; null for a fifth of the limit. */
  overlongCache: number | null;
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
    if (Math.abs(Number(weight)) > LARGEST_REWARD) {
      throw new UserError(
        `--reward ${summand.trim()} is more than gradients bear; use weights up to ${LARGEST_REWARD}`,
      );
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

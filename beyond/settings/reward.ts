/** Reading `--reward correct=1,format=0.1,./my-rewards.ts,brevity=0.2`. */
import { UserError } from "../../lib/errors.ts";
import {
  type AskedForm,
  REWARD_PARTS,
  type RewardRules,
  type RewardTerm,
} from "../../lib/rewards.ts";
import { isOwnFile } from "../own/file.ts";
import { LARGEST_REWARD } from "../own/parts.ts";
import type { RewardPlan } from "../own/rewards.ts";
import { nearest } from "./nearest.ts";

export interface RewardLengths {
  /** Most tokens in a completion. */
  maxCompletionLength: number;
  /** Tokens before that limit in which the part `overlong` grows; null for a fifth of the limit. */
  overlongCache: number | null;
}

/**
 * Reads summands: `part=weight` of a built-in part or of one that own code pays by name, `user=weight` for all others
 * that own `--outcome` code pays, and `./my-rewards.ts` or `./my-rewards.ts=weight` for a file and its other parts.
 * Without a text the reward is `correct`, or all that the user's own code pays.
 * @throws UserError for an unknown or repeated part, a weight that is no number, and parts of own code where there
 *   is none
 */
export function parseReward(text: string | null, outcome: string): RewardPlan {
  const isOwn = isOwnFile(outcome);
  const summands = (text ?? (isOwn ? "user=1" : "correct=1")).split(",").map(readSummand);
  const names = summands.map(({ name }) => name);
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated) throw new UserError(`--reward gives ${repeated} twice`);
  const files = summands.filter(({ name }) => isOwnFile(name));
  const terms: RewardTerm[] = [];
  const named = new Map<string, number>();
  let user: number | null = null;
  for (const { name, weight } of summands) {
    const part = REWARD_PARTS.find((known) => known === name);
    if (part) terms.push({ part, weight });
    else if (isOwnFile(name)) continue;
    else if (!isOwn && (files.length === 0 || name === "user")) throw nothingPays(name);
    else if (name === "user") user = weight;
    else named.set(name, weight);
  }
  return {
    terms,
    named,
    user,
    files: files.map(({ name, weight }) => ({ path: name, weight })),
  };
}

function readSummand(summand: string): { name: string; weight: number } {
  const [name, given, ...more] = summand.split("=").map((side) => side.trim());
  const weight = given ?? (isOwnFile(name) ? "1" : "");
  if (weight === "" || more.length > 0 || !Number.isFinite(Number(weight))) {
    throw new UserError(`--reward ${summand.trim()} needs a weight, such as ${name}=0.5`);
  }
  if (Math.abs(Number(weight)) > LARGEST_REWARD) {
    throw new UserError(
      `--reward ${summand.trim()} is more than gradients bear; use weights up to ${LARGEST_REWARD}`,
    );
  }
  return { name, weight: Number(weight) };
}

function nothingPays(name: string): UserError {
  if (name === "user") {
    return new UserError("--reward user=... needs code of your own: --outcome ./my-outcome.ts");
  }
  const hint = nearest(name, REWARD_PARTS);
  const own = "and what code of your own pays: ./my-rewards.ts";
  const fix = hint ? `did you mean ${hint}?` : `there are ${REWARD_PARTS.join(", ")}, ${own}`;
  return new UserError(`--reward has no part "${name}"; ${fix}`);
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

/** Outcomes by the user's own code: a TypeScript or JavaScript file, loaded as it is. */

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Asked, Completed, Judge, Judgement, Row } from "../../lib/data/judge.ts";
import { UserError } from "../../lib/errors.ts";
import { noAnswer } from "./judgement.ts";

/** What the file exports by default. It is handed the row as it stands in the data. */
export type UserOutcome = (
  completion: string,
  row: Record<string, unknown> & { question: string; answer: string },
) => UserJudgement | Promise<UserJudgement>;

export interface UserJudgement {
  /** Equal answers must have equal outcomes; null for no answer. */
  outcome: string | null;
  reward: number;
  /** Whether the question counts as solved; if not given, whether the reward is 1. */
  correct?: boolean;
}

/** Does --outcome name a file, and not one of the built-in outcomes? */
export const isUserCode = (outcome: string): boolean => /^(?!regex:).*[./\\]/s.test(outcome);

/** Also of a weight: what is worth more has gradients whose squares float32 may not hold. */
export const LARGEST_REWARD = 1e6;

/** Failures that are shown, and failures after which a run ends if they are a tenth of all calls. */
const SHOWN = 5;
const TOO_MANY = 20;

/**
 * Loads the file. A call that throws, returns something else, or has not resolved after `timeout` seconds
 * counts as no answer.
 */
export async function userJudge(path: string, timeout: number): Promise<Judge> {
  const file = resolve(path);
  if (!existsSync(file)) throw new UserError(`--outcome ${path}: no such file`);
  let judgeOne: UserOutcome;
  try {
    judgeOne = (await import(pathToFileURL(file).href)).default;
  } catch (error) {
    throw new UserError(`--outcome ${path} cannot be loaded: ${(error as Error).message}`);
  }
  if (typeof judgeOne !== "function") {
    throw new UserError(
      `--outcome ${path} must export a function: export default (completion, row) => ...`,
    );
  }
  let [calls, failures] = [0, 0];

  async function attempt(text: string, row: Row): Promise<Judgement> {
    calls++;
    try {
      const given = { ...row.fields, question: row.question, answer: row.answer };
      const { outcome, reward, correct } = checked(await within(timeout, judgeOne(text, given)));
      const form = outcome === null ? null : "code";
      return { ...noAnswer, outcome, form, userReward: reward, correct: correct ?? reward === 1 };
    } catch (error) {
      failures++;
      const message = `--outcome ${path} failed on row ${row.line}: ${(error as Error)?.message ?? error}`;
      if (failures > TOO_MANY && failures > calls / 10) {
        throw new UserError(`${message} (${failures} of ${calls} calls failed; the run ends here)`);
      }
      if (failures <= SHOWN) console.error(`rlexplore: ${message}; it counts as no answer`);
      return noAnswer;
    }
  }

  return {
    gold: (row) => row.answer,
    judge: (completions: readonly Completed[], { row }: Asked) =>
      Promise.all(
        completions.map(({ text, truncated }) => (truncated ? noAnswer : attempt(text, row))),
      ),
    remember: () => {},
  };
}

/** What is promised, unless it takes too long. Code that never awaits cannot be interrupted. */
function within<T>(seconds: number, promised: T | Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<never>((_, reject) => {
    const error = new Error(`no result within ${seconds} s (--outcome-timeout)`);
    timer = setTimeout(() => reject(error), 1000 * seconds);
  });
  return Promise.race([promised, late]).finally(() => clearTimeout(timer));
}

function checked(result: UserJudgement): UserJudgement {
  const { outcome, reward } = result ?? {};
  if ((typeof outcome !== "string" && outcome !== null) || !Number.isFinite(reward)) {
    throw new Error(
      `it must return { outcome: string | null, reward: number }, not ${JSON.stringify(result)}`,
    );
  }
  if (Math.abs(reward) > LARGEST_REWARD) {
    throw new Error(`its rewards must be within ${LARGEST_REWARD}, not ${reward}`);
  }
  return result;
}

/** Outcomes by the user's own code. */
import type { Asked, Completed, Judge, Judgement, Row } from "../../lib/data/judge.ts";
import { UserError } from "../../lib/errors.ts";
import { type About, type GivenRow, givenRow, OwnCalls, type Tally } from "./calls.ts";
import { loadOwn } from "./code.ts";
import { unusable } from "./mistakes.ts";
import { checkedParts, type Pays } from "./parts.ts";

/** What the file exports by default. It is handed the row as it stands in the data. */
export type UserOutcome = (
  completion: string,
  row: GivenRow,
  about: About,
) => UserJudgement | null | Promise<UserJudgement | null>;

/** Null leaves the completion out, and so does a reward of null. */
export interface UserJudgement {
  /** Equal answers must have equal outcomes; null for no answer. */
  outcome: string | null;
  reward: Pays;
  /** Whether the question counts as solved; if not given, whether the reward is 1. */
  correct?: boolean;
}

/** The part that a reward is which is one number. */
const USER = "user";

const NOTHING = {
  outcome: null,
  correct: false,
  form: null,
  paid: null,
  answerStart: null,
  answerEnd: null,
} satisfies Judgement;

/**
 * Loads the file. A call that throws, returns something else, or has not resolved after `timeout` seconds
 * counts as no answer, and nothing is learned from its completion.
 * @param maxSteps of the run; null where there is none
 * @param tally counts the calls
 */
export async function userJudge(
  path: string,
  timeout: number,
  maxSteps: number | null,
  tally?: Tally,
): Promise<Judge> {
  const { default: judgeOne, ...others } = await loadOwn("--outcome", path);
  if (typeof judgeOne !== "function") {
    const rewards = Object.values(others).some((other) => typeof other === "function");
    const hint = rewards ? `; functions that only pay are for --reward ${path}` : "";
    throw new UserError(
      `--outcome ${path} must export a function: export default (completion, row) => ...${hint}`,
    );
  }
  const failure = "it counts as no answer, and nothing is learned from it";
  const calls = new OwnCalls({ flag: "--outcome", path, timeout, maxSteps, failure }, tally);

  async function judge(one: Completed, row: Row, step?: number): Promise<Judgement> {
    const call = () => (judgeOne as UserOutcome)(one.text, givenRow(row), calls.about(one, step));
    const given = await calls.attempt(row, call, checked);
    if (given === null) return NOTHING;
    const { outcome, reward, correct } = given;
    const parts = typeof reward === "object" ? reward : { [USER]: reward };
    return {
      ...NOTHING,
      outcome,
      form: outcome === null ? null : "code",
      correct: correct ?? reward === 1,
      paid: parts && Object.entries(parts).map(([part, value]) => ({ part, value, weight: 1 })),
    };
  }

  return {
    gold: (row) => row.answer,
    judge: (completions, { row, step }: Asked) =>
      Promise.all(completions.map((one) => judge(one, row, step))),
    remember: () => {},
  };
}

function checked(given: unknown): UserJudgement {
  if (given === null) return { outcome: null, reward: null, correct: false };
  const { outcome, reward, correct } = (given ?? {}) as Partial<UserJudgement>;
  const isOutcome = typeof outcome === "string" || outcome === null;
  if (!isOutcome || reward === undefined || !["boolean", "undefined"].includes(typeof correct)) {
    const shape = "{ outcome: string | null, reward: number or parts, correct?: boolean }, or null";
    throw unusable(`it must return ${shape}, not ${JSON.stringify(given)?.slice(0, 200)}`);
  }
  if (typeof reward === "object" && reward !== null && correct === undefined) {
    throw unusable("with several parts of a reward it must also say correct: true or false");
  }
  return { outcome, reward: checkedParts(reward), correct };
}

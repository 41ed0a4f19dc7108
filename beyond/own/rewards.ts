/** Rewards of the user's own: functions of files that `--reward` names, and what `--outcome` code pays. */
import { basename, extname } from "node:path";
import type {
  AnswerForm,
  Asked,
  Completed,
  Judge,
  Judgement,
  PaidPart,
} from "../../lib/data/judge.ts";
import { UserError } from "../../lib/errors.ts";
import { REWARD_PARTS, type RewardTerm } from "../../lib/rewards.ts";
import { type About, type GivenRow, givenRow, OwnCalls, type Tally } from "./calls.ts";
import { loadOwn } from "./code.ts";
import { OwnCodeError } from "./mistakes.ts";
import { checkedParts, type Pays } from "./parts.ts";

/** A function that pays. What is not given by name is a part called as the function is exported, or as its file. */
export type UserReward = (
  completion: string,
  row: GivenRow,
  about: About & Pick<Judgement, "outcome" | "correct"> & { form: AnswerForm | null },
) => Pays | Promise<Pays>;

/** What `--reward` says. */
export interface RewardPlan {
  /** The built-in parts. */
  terms: readonly RewardTerm[];
  /** Weights of own parts that are given by name. */
  named: ReadonlyMap<string, number>;
  /** The weight of all others that `--outcome` code pays; null if none was given. */
  user: number | null;
  /** Files of rewards, with the weight of their other parts. */
  files: readonly { path: string; weight: number }[];
}

/** Who pays what; without weights yet. */
interface Payer {
  weight: number;
  path: string;
  /** Parts that its functions pay, unless they name others. */
  parts: readonly string[];
  pay(
    completion: Completed,
    asked: Asked,
    judged: Judgement,
  ): Promise<Record<string, number | null> | null>;
}

/**
 * A judge that also pays as the plan says.
 * @param timeout seconds that a call may take
 * @param tally counts the calls
 * @throws UserError for a file that cannot be loaded, or pays nothing
 */
export async function payingJudge(
  judge: Judge,
  plan: RewardPlan,
  timeout: number,
  maxSteps: number | null,
  tally?: Tally,
): Promise<Judge> {
  const payers: Payer[] = [];
  for (const { path, weight } of plan.files) {
    payers.push({ weight, path, ...(await openRewards(path, timeout, maxSteps, tally)) });
  }
  requireDifferentParts(payers);
  const purse = new Purse(plan);
  async function payFor(one: Completed, asked: Asked, judged: Judgement): Promise<Judgement> {
    if (judged.paid === null) return judged;
    const all: PaidPart[] = judged.paid.map((own) => ({
      ...own,
      weight: purse.weightOf(own.part),
    }));
    for (const payer of payers) {
      const parts = await payer.pay(one, asked, judged);
      if (parts === null) return { ...judged, paid: null };
      for (const [part, value] of Object.entries(parts)) {
        all.push({ part, value, weight: plan.named.get(part) ?? payer.weight });
      }
    }
    return { ...judged, paid: purse.checked(all) };
  }
  return {
    gold: (row) => judge.gold(row),
    remember: (question, outcome) => judge.remember(question, outcome),
    async judge(completions, asked) {
      const judged = await judge.judge(completions, asked);
      return Promise.all(judged.map((one, i) => payFor(completions[i], asked, one)));
    },
  };
}

/** The functions of one file. */
async function openRewards(path: string, timeout: number, maxSteps: number | null, tally?: Tally) {
  const exported = Object.entries(await loadOwn("--reward", path));
  const functions = exported.filter(
    (entry): entry is [string, UserReward] => typeof entry[1] === "function",
  );
  if (functions.length === 0) {
    throw new UserError(
      `--reward ${path} must export a function, or several: export const brevity = (completion, row) => ...`,
    );
  }
  const failure = "nothing is learned from its completion";
  const calls = new OwnCalls({ flag: "--reward", path, timeout, maxSteps, failure }, tally);
  const partOf = (name: string) => (name === "default" ? basename(path, extname(path)) : name);
  return {
    parts: functions.map(([name]) => partOf(name)),
    async pay(one: Completed, { row, step }: Asked, { outcome, correct, form }: Judgement) {
      const about = { ...calls.about(one, step), outcome, correct, form };
      const parts: Record<string, number | null> = {};
      for (const [name, reward] of functions) {
        // a failure is null; what leaves the completion out is a part that is null
        const paid = await calls.attempt(
          row,
          () => reward(one.text, givenRow(row), about),
          (given) => ({
            parts: checkedParts(given),
          }),
        );
        if (paid === null) return null;
        const part = partOf(name);
        if (paid.parts === null || typeof paid.parts === "number") parts[part] = paid.parts;
        else Object.assign(parts, paid.parts);
      }
      return parts;
    },
  };
}

/** @throws UserError for functions that would pay one part, or a built-in one: found before anything is made */
function requireDifferentParts(payers: readonly Payer[]): void {
  const builtIn: readonly string[] = [...REWARD_PARTS, "user"];
  const payerOf = new Map<string, string>();
  for (const { path, parts } of payers) {
    for (const part of parts) {
      const other = payerOf.get(part);
      if (other === undefined && !builtIn.includes(part)) {
        payerOf.set(part, path);
        continue;
      }
      const clash = other === undefined ? "a built-in part is called so" : `so has ${other}`;
      throw new UserError(
        `--reward ${path} has a function for the part ${part}, and ${clash}: call it otherwise`,
      );
    }
  }
}

/** Weighs what own code pays by name, and notices names that nobody pays or weighs. */
class Purse {
  private readonly told = new Set<string>();

  constructor(private readonly plan: RewardPlan) {}

  /** Of a part that the `--outcome` code pays. */
  weightOf(part: string): number {
    const { named, user } = this.plan;
    const weight = named.get(part) ?? user;
    if (weight === null && !this.told.has(part)) {
      this.told.add(part);
      const fix = part === "user" ? "user=1" : `${part}=1`;
      console.error(
        `rlexplore: --reward gives the part ${part} of --outcome no weight: it is kept, and not paid (${fix} would)`,
      );
    }
    return weight ?? 0;
  }

  /** The parts of a completion; null if nothing that has a weight applies to it, which leaves it out. */
  checked(paid: readonly PaidPart[]): readonly PaidPart[] | null {
    const names = paid.map(({ part }) => part);
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice)
      throw new OwnCodeError(
        `two parts of the reward are called ${twice}: name one of them otherwise`,
      );
    for (const name of this.plan.named.keys()) {
      if (names.includes(name)) continue;
      throw new OwnCodeError(
        `--reward weighs ${name}, which is not among what own code pays (${names.join(", ")}); let it be null where it does not apply`,
      );
    }
    const weighed = paid.filter(({ weight }) => weight !== 0);
    return weighed.length > 0 && weighed.every(({ value }) => value === null) ? null : paid;
  }
}

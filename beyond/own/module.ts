/** What code of the user's finds in `import ... from "rlexplore"`; `rlexplore.d.ts` says the same in types. */
import type { Judge, Judgement } from "../../lib/data/judge.ts";
import { type AskedForm, isAsked, overlongPunishment } from "../../lib/rewards.ts";
import { openJudge } from "../answers/outcome.ts";
import type { About, GivenRow } from "./calls.ts";

export { grpo } from "../../lib/explore/advantages/grpo.ts";
export { historicalBonus } from "../../lib/explore/method.ts";
export { batch } from "../../lib/explore/methods/batch.ts";
export { ucb } from "../../lib/explore/methods/ucb.ts";
export { ucbCon } from "../../lib/explore/methods/ucb-con.ts";
export { ucbMean } from "../../lib/explore/methods/ucb-mean.ts";
export { passAtK } from "../measuring/estimators.ts";
export { differentialSmoothing } from "../methods/differential-smoothing.ts";
export { entropy } from "../methods/entropy.ts";
export { gated } from "../methods/gated.ts";
export { inverseProbability } from "../methods/inverse-probability.ts";
export { leaveOneOutK } from "../methods/leave-one-out-k.ts";
export { maxAtK } from "../methods/max-at-k.ts";
export { maxrl } from "../methods/maxrl.ts";
export { negativeSamples } from "../methods/negative-samples.ts";
export { passAtKAdvantage } from "../methods/pass-at-k.ts";
export { unlikeliness } from "../methods/unlikeliness.ts";

/** Places of rows that have none of their own: what a judge remembers of a question goes by its text alone. */
const LINE = 0;

/** A built-in judge as a function. A completion is taken as whole unless it is told to be cut off. */
function judging(name: string) {
  let opened: Promise<Judge> | undefined;
  return async (completion: string, row: GivenRow, about: Pick<About, "truncated">) => {
    opened ??= openJudge(name);
    const judge = await opened;
    const { question, answer } = row;
    const asked = { question, answer, line: LINE, fields: row };
    const gold = judge.gold(asked);
    const said = { text: completion, truncated: about?.truncated ?? false };
    if (gold === null) throw new Error(`the answer ${answer} is none that ${name} understands`);
    const [{ outcome, correct, form }] = await judge.judge([said], { row: asked, gold });
    return { outcome, correct, form, reward: correct ? 1 : 0 };
  };
}

export const math = judging("math");
export const mathLastNumber = judging("math:last-number");
export const number = judging("number");
export const numberLastNumber = judging("number:last-number");
export const choice = judging("choice");
export const exact = judging("exact");
export const countdown = judging("countdown");
/** A judge of the last match of a pattern, or its first group. */
export const regex = (pattern: string) => judging(`regex:${pattern}`);

/** DAPO's soft punishment of length: 0 up to max - cache tokens, then falling to -1 at max. */
export const overlong = overlongPunishment;

/** 1 where the final answer stands in the form asked for, else 0; `judged` is what a judge gave. */
export const format = ({ form }: Pick<Judgement, "form">, asked: AskedForm = "any"): number =>
  Number(isAsked(form, asked));

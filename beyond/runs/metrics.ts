import type { ScoredGroup } from "../../lib/learn.ts";
import type { Tokenizer } from "../../lib/policy.ts";
import type { Earned } from "../../lib/rewards.ts";
import type { Group } from "../../lib/rollout.ts";
import type { StepReport } from "../../lib/train.ts";
import { distinctAnswers } from "../measuring/estimators.ts";
import type { Rollout } from "./ledger.ts";

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
const meanOf = (values: readonly number[]) => sum(values) / values.length;

/**
 * The metrics of a step of training.
 * @param solved share of all questions solved at least once so far
 * @param hasKl whether the KL divergence from the reference was measured
 */
export function describeStep(report: StepReport, solved: number, hasKl: boolean) {
  const { groups, sums, learningRate, samplingSeconds, learningSeconds } = report;
  const lengths = groups.flatMap(({ completions }) => completions.map((c) => c.tokens.length));
  return {
    ...describeGroups(groups),
    solved,
    loss: sums.loss,
    kl: hasKl ? sums.kl / sums.tokens : null,
    gradNorm: sums.gradNorm,
    learningRate,
    ratio: sums.ratio / sums.tokens,
    clippedLow: sums.clippedLow / sums.tokens,
    clippedHigh: sums.clippedHigh / sums.tokens,
    samplingTokensPerSecond: sum(lengths) / samplingSeconds,
    learningTokensPerSecond: sums.tokens / learningSeconds,
    seconds: samplingSeconds + learningSeconds,
  };
}

/** What the groups of a step look like, in means over completions unless said otherwise. */
export function describeGroups(groups: readonly ScoredGroup[]) {
  const completions = groups.flatMap((group) => group.completions);
  const mean = (value: (c: (typeof completions)[number]) => number) =>
    meanOf(completions.map(value));
  const earned = groups.flatMap((group) => group.earned);
  const tokens = mean((c) => c.tokens.length);
  const distinct = groups.map((group) =>
    distinctAnswers(group.completions.map(({ outcome }) => outcome)),
  );
  return {
    /** Of those that are not left out; null if all are. */
    reward: meanOrNull(earned.map(({ reward }) => reward)),
    /** Of each part of the reward, before it is weighted. */
    rewardParts: meanParts(earned),
    passAt1: mean((c) => (c.correct ? 1 : 0)),
    /** Mean over groups. */
    distinct: sum(distinct) / groups.length,
    /** Mean over tokens. */
    entropy: mean((c) => sum(c.entropies)) / tokens,
    completionLength: tokens,
    truncated: mean((c) => (c.finished ? 0 : 1)),
    leftOut: meanOf(earned.map(({ reward }) => (reward === null ? 1 : 0))),
    noAnswer: mean((c) => (c.outcome === null ? 1 : 0)),
    exploration: sum(groups.map((group) => sum([...group.exploration]))) / completions.length,
    /** Share of groups in which all completions earn the same. */
    equalRewards: groups.filter(earnsTheSame).length / groups.length,
    /** Groups from which nothing is learned. */
    skippedGroups: groups.filter((group) => !group.hasSignal).length,
  };
}

const earnsTheSame = ({ earned }: ScoredGroup) =>
  new Set(earned.flatMap(({ reward }) => reward ?? [])).size <= 1;

/** Means over the completions that a part applies to. */
function meanParts(earned: readonly Earned[]): Earned["parts"] {
  const parts = new Set(earned.flatMap((one) => Object.keys(one.parts)));
  return Object.fromEntries(
    [...parts].map((part) => [part, meanOrNull(earned.map((one) => one.parts[part] ?? null))]),
  );
}

function meanOrNull(values: readonly (number | null)[]): number | null {
  const there = values.filter((value) => value !== null);
  return there.length > 0 ? meanOf(there) : null;
}

/** What the model was given for each question of these groups, special tokens included. */
export const promptsOf = (groups: readonly Group[], tokenizer: Tokenizer): Map<string, string> =>
  new Map(groups.map(({ question }) => [question.text, tokenizer.decode(question.prompt, true)]));

/** The rows of one group for the ledger. */
export function rolloutsOf({
  question,
  slot,
  completions,
  earned,
  advantages,
  exploration,
}: ScoredGroup) {
  return completions.map((completion, sample): Rollout => {
    const tokens = completion.tokens.length;
    const mean = (values: readonly number[]) => sum(values) / tokens;
    return {
      question: question.text,
      slot,
      sample,
      completion: completion.text,
      outcome: completion.outcome,
      correct: completion.correct,
      reward: earned[sample].reward,
      parts: earned[sample].parts,
      exploration: exploration[sample],
      advantage: advantages[sample],
      tokens,
      truncated: !completion.finished,
      logprob: mean(completion.logprobs),
      entropy: mean(completion.entropies),
      tokenIds: completion.tokens,
      logprobs: completion.logprobs,
    };
  });
}

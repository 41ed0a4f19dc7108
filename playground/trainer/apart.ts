import { termSignal } from "../../lib/explore/bonus.ts";
import { historicalBonus, type Group as Seen } from "../../lib/explore/method.ts";
import type { ScoredGroup } from "../../lib/learn.ts";
import { PackedBatch } from "../../lib/model/packing.ts";
import type { StepReport } from "../../lib/train.ts";
import type { Apart, ApartTerm } from "../messages.ts";
import type { Trainee } from "./trainee.ts";

/** Every number of a group of the last step, and what the update did to the probability of each token. */
export async function takeApart(
  trainee: Trainee,
  report: StepReport,
  place: number,
): Promise<Omit<Apart, "side">> {
  const { step, groups } = report;
  const group = groups[Math.min(place, groups.length - 1)];
  const { question, completions } = group;
  const seen = seenOf(trainee, report, group);
  const after = await logprobsNow(trainee, group);
  const { tokenizer } = trainee.policy;
  return {
    step,
    group: groups.indexOf(group),
    questions: groups.map(({ question, completions }) => ({
      text: question.text,
      right: completions.filter(({ correct }) => correct).length,
    })),
    question: question.text,
    gold: question.gold,
    terms: termsOf(trainee, seen),
    completions: completions.map((completion, i) => ({
      tokens: completion.tokens.map((token) => tokenizer.decode([token], true)),
      before: completion.logprobs,
      after: after[i],
      answerStart: completion.answerStart,
      outcome: completion.outcome,
      correct: completion.correct,
      finished: completion.finished,
      count: seen.counts[i],
      bonus: historicalBonus(seen.counts[i]),
      reward: seen.rewards[i],
      advantage: group.advantages[i],
      exploration: group.exploration[i],
    })),
  };
}

/** What the methods saw of a group: N(x, a) is what is counted now, without what the step has added. */
function seenOf(
  { state, settings }: Trainee,
  { step, groups }: StepReport,
  { question, completions, earned }: ScoredGroup,
): Seen {
  const history = new Map(state.counter.outcomes(question.text));
  for (const group of groups) {
    if (group.question.text !== question.text) continue;
    for (const { outcome } of group.completions) {
      const left = (history.get(outcome) ?? 0) - 1;
      if (left > 0) history.set(outcome, left);
      else history.delete(outcome);
    }
  }
  const outcomes = completions.map(({ outcome }) => outcome);
  return {
    question: question.text,
    outcomes,
    counts: outcomes.map((outcome) => history.get(outcome) ?? 0),
    history,
    correct: completions.map(({ correct }) => correct),
    rewards: earned.map(({ reward }) => reward ?? 0),
    parts: earned.map(({ parts }) => parts),
    logprobs: completions.map(({ logprobs }) => logprobs),
    entropies: completions.map(({ entropies }) => entropies),
    truncated: completions.map(({ finished }) => !finished),
    step,
    maxSteps: settings.maxSteps,
  };
}

const termsOf = ({ exploration }: Trainee, seen: Seen): ApartTerm[] =>
  exploration.map((term) => ({
    name: term.method.name,
    coefficient: term.coefficient,
    signal: [...termSignal(term, seen)],
  }));

/** The log-probabilities of a group's tokens under the weights as they are now. */
async function logprobsNow(
  { policy, settings }: Trainee,
  { question, completions }: ScoredGroup,
): Promise<number[][]> {
  const batch = new PackedBatch(settings.microBatchTokens);
  const tokens = completions.map((completion) => completion.tokens);
  batch.add(question.prompt, tokens);
  const logprobs = new Float32Array(batch.predictions);
  const entropies = new Float32Array(batch.predictions);
  const { trainingPass, weights } = policy;
  await trainingPass.logprobs(weights, batch, settings.temperature, logprobs, entropies);
  let start = 0;
  return tokens.map(({ length }) => {
    start += length;
    return [...logprobs.subarray(start - length, start)];
  });
}

import { termSignal } from "../../lib/explore/bonus.ts";
import { historicalBonus } from "../../lib/explore/method.ts";
import type { ScoredGroup } from "../../lib/learn.ts";
import { PackedBatch } from "../../lib/model/packing.ts";
import type { StepReport } from "../../lib/train.ts";
import type { Apart, ApartTerm } from "../messages.ts";
import type { Trainee } from "./trainee.ts";

/** Every number of a group of the last step, and what the update did to the probability of each token. */
export async function takeApart(
  trainee: Trainee,
  { step, groups }: StepReport,
  place: number,
): Promise<Omit<Apart, "side">> {
  const group = groups[Math.min(place, groups.length - 1)];
  const { question, completions } = group;
  const counts = countsBefore(trainee, groups, group);
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
    terms: termsOf(trainee, group, counts),
    completions: completions.map((completion, i) => ({
      tokens: completion.tokens.map((token) => tokenizer.decode([token], true)),
      before: completion.logprobs,
      after: after[i],
      answerStart: completion.answerStart,
      outcome: completion.outcome,
      correct: completion.correct,
      finished: completion.finished,
      count: counts[i],
      bonus: historicalBonus(counts[i]),
      reward: group.earned[i].reward,
      advantage: group.advantages[i],
      exploration: group.exploration[i],
    })),
  };
}

/** N(x, a_i) before the step: what is counted now, without what the step has added. */
function countsBefore(
  { state }: Trainee,
  groups: readonly ScoredGroup[],
  { question, completions }: ScoredGroup,
): number[] {
  const added = groups
    .filter((other) => other.question.text === question.text)
    .flatMap((other) => other.completions);
  return completions.map(
    ({ outcome }) =>
      state.counter.count(question.text, outcome) -
      added.filter((other) => other.outcome === outcome).length,
  );
}

function termsOf({ exploration }: Trainee, group: ScoredGroup, counts: number[]): ApartTerm[] {
  const { completions } = group;
  const outcomes = completions.map(({ outcome }) => outcome);
  const correct = completions.map(({ correct }) => correct);
  return exploration.map((term) => ({
    name: term.method.name,
    coefficient: term.coefficient,
    signal: [...termSignal(term, { outcomes, counts, correct })],
  }));
}

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

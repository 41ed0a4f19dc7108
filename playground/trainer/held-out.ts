import { distinctAtK, passAtK } from "../../beyond/measuring/estimators.ts";
import { outcomeCounts, type QuestionTally, tallyQuestion } from "../../beyond/measuring/tally.ts";
import type { Question } from "../../lib/data/questions.ts";
import type { SamplingPolicy } from "../../lib/policy.ts";
import { PURPOSE, type RolloutSettings, rollout } from "../../lib/rollout.ts";
import type { Held } from "../messages.ts";

/** Held-out questions that are asked again and again, and how often each. */
const QUESTIONS = 32;
const SAMPLES = 32;
const KS = [1, 2, 4, 8, 16, 32];

/** Questions sampled at once, so that a pause does not have to wait for all. */
const AT_ONCE = 8;

/** What a model does with the held-out questions, as `rlexplore eval` measures it. */
export async function measureHeldOut(
  policy: SamplingPolicy,
  heldOut: readonly Question[],
  settings: RolloutSettings,
): Promise<Held> {
  const tallies: QuestionTally[] = [];
  for (let first = 0; first < QUESTIONS; first += AT_ONCE) {
    const some = heldOut.slice(first, first + AT_ONCE);
    for (const { question, completions } of await rollout(
      policy,
      some,
      SAMPLES,
      settings,
      PURPOSE.evaluate,
      0,
      first,
    )) {
      tallies.push(tallyQuestion(question.text, question.gold, completions));
    }
  }
  const mean = (of: (tally: (typeof tallies)[number]) => number) =>
    tallies.reduce((sum, tally) => sum + of(tally), 0) / tallies.length;
  const tokens = mean((t) => t.tokens.correct + t.tokens.incorrect);
  const entropy = mean((t) => t.entropy.correct + t.entropy.incorrect);
  return {
    pass: Object.fromEntries(KS.map((k) => [k, mean((t) => passAtK(SAMPLES, t.correct, k))])),
    distinct: mean((t) => distinctAtK(outcomeCounts(t), SAMPLES)),
    entropy: entropy / tokens,
  };
}

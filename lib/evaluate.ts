import { openOutcome } from "./data/outcome.ts";
import { readRows, usableRows } from "./data/rows.ts";
import { tallyOutcomes } from "./explore/counter.ts";
import { distinctAtK, meanPassAtK } from "./explore/estimators.ts";
import { formatPlan } from "./memory-plan.ts";
import { openNamedModel, prompterOf } from "./named-model.ts";
import { openGpu, Policy } from "./policy.ts";
import { type PassRow, Progress, passTable } from "./progress.ts";
import {
  fitContext,
  longestPrompt,
  PURPOSE,
  prepareQuestions,
  type Question,
  type RolloutSettings,
  rollout,
} from "./rollout.ts";
import type { EvalSettings } from "./settings.ts";

/** What sampling a model many times on each of some questions shows. */
export interface Evaluation {
  questions: number;
  /** Completions of each question. */
  samples: number;
  /** [k, pass@k], by the unbiased estimator. */
  passAtK: [k: number, value: number][];
  /** Mean number of distinct answers among all samples of a question. */
  distinct: number;
  /** Mean number of distinct answers to expect among 8 samples of a question. */
  distinctAt8: number;
}

/** Questions whose completions are sampled and judged together: bounds the memory of a large file. */
const QUESTIONS_AT_ONCE = 64;

/** Samples each question `samples` times. The randomness depends on the seed and the question alone. */
export async function measure(
  policy: Policy,
  questions: readonly Question[],
  samples: number,
  ks: readonly number[],
  settings: RolloutSettings,
  onProgress: (questionsDone: number) => void = () => {},
): Promise<Evaluation> {
  const results: { samples: number; correct: number }[] = [];
  let distinct = 0;
  let distinctAt8 = 0;
  for (let first = 0; first < questions.length; first += QUESTIONS_AT_ONCE) {
    onProgress(first);
    const some = questions.slice(first, first + QUESTIONS_AT_ONCE);
    const groups = await rollout(policy, some, samples, settings, PURPOSE.evaluate, 0, first);
    for (const { completions } of groups) {
      const correct = completions.filter((completion) => completion.correct).length;
      results.push({ samples, correct });
      const counts = tallyOutcomes(completions.map(({ outcome }) => outcome));
      distinct += distinctAtK(counts, samples) / questions.length;
      distinctAt8 += distinctAtK(counts, Math.min(8, samples)) / questions.length;
    }
  }
  const passAtK = ks.map((k): [number, number] => [k, meanPassAtK(results, k)]);
  return { questions: questions.length, samples, passAtK, distinct, distinctAt8 };
}

/** 1, 2, 4, ... up to `samples`. */
export function powersOfTwo(samples: number): number[] {
  const ks: number[] = [];
  for (let k = 1; k <= samples; k *= 2) ks.push(k);
  return ks;
}

export const passRow = (name: string, { passAtK, distinct }: Evaluation): PassRow => ({
  name,
  passAtK,
  distinct,
});

/** `rlexplore eval`: pass@k and distinct answers of a model on a file of questions. */
export async function evaluate(given: EvalSettings): Promise<void> {
  const data = await readRows(given.data, given);
  const progress = new Progress({ total: data.rows.length, ...given });
  const note = (text: string) => progress.note(text);
  const rows = usableRows(data, note);
  const model = await openNamedModel(given.model);
  const gpu = await openGpu(given.gpu);
  note(gpu.found.why);
  const prompter = prompterOf(model, given, note);
  const outcome = await openOutcome(given.outcome, given.outcomeTimeout);
  const questions = prepareQuestions(prompter, rows, given.data, outcome);
  const settings = fitContext(given, questions, model.config.maxPositionEmbeddings);
  const { maxCompletionLength, samplingBatchSize, numSamples } = settings;
  const sampling = {
    rows: samplingBatchSize,
    samplesPerPrompt: numSamples,
    maxPromptTokens: longestPrompt(questions),
    maxNewTokens: maxCompletionLength,
  };
  const policy = await Policy.open(gpu, model, { sampling }, (plan) => note(formatPlan(plan)));
  const result = await measure(policy, questions, numSamples, settings.k, settings, (done) =>
    progress.activity(`${done} of ${questions.length} questions`),
  );
  progress.end();
  const title = `${settings.data}: ${questions.length} questions, ${numSamples} samples each`;
  progress.result("evaluation", result, passTable(title, [passRow(settings.model, result)]));
  gpu.destroy();
}

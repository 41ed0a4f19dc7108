import { fitContext, longestPrompt, PURPOSE, rollout } from "../../lib/rollout.ts";
import { type Completed, openOutcome } from "../answers/outcome.ts";
import { openNamedModel, prompterOf } from "../opening/named-model.ts";
import { closeGpu, openGpu, Policy } from "../opening/policy.ts";
import type { SampleSettings } from "../settings/measuring.ts";
import { baseFormats } from "../storage/base-formats.ts";
import { tuneFor } from "../tuning/tuning.ts";

/** No answer is known here, so none is right. */
const NO_GOLD = "";

/** `rlexplore sample`: prints completions of questions, each with the outcome it was counted as. */
export async function sample(given: SampleSettings): Promise<void> {
  const model = await openNamedModel(given.model);
  const prompter = prompterOf(model, given, (text) => console.error(text));
  const outcome = await openOutcome(given.outcome, given.outcomeTimeout);
  const questions = given.questions.map((text) => ({
    text,
    prompt: prompter.encodePrompt(text, "the question"),
    gold: NO_GOLD,
    judge: (completions: readonly Completed[]) =>
      outcome.judge(completions, {
        row: { question: text, answer: NO_GOLD, line: 0 },
        gold: NO_GOLD,
      }),
  }));
  const settings = fitContext(given, questions, model.config.maxPositionEmbeddings);
  const { maxCompletionLength, samplingBatchSize, numGenerations } = settings;
  const gpu = await openGpu(settings.gpu);
  const sampling = {
    rows: Math.min(samplingBatchSize, questions.length * numGenerations),
    samplesPerPrompt: numGenerations,
    maxPromptTokens: longestPrompt(questions),
    maxNewTokens: maxCompletionLength,
  };
  const formats = baseFormats(settings, model.tensors);
  const needs = { dtype: settings.dtype, sampling, formats };
  const tune = tuneFor(gpu, settings, (text) => console.error(text));
  const policy = await Policy.open(gpu, model, needs, undefined, tune);
  const groups = await rollout(policy, questions, numGenerations, settings, PURPOSE.sample, 0);
  for (const { question, completions } of groups) {
    if (settings.json) {
      for (const { text, outcome, finished } of completions) {
        print(JSON.stringify({ question: question.text, completion: text, outcome, finished }));
      }
      continue;
    }
    print(question.text);
    for (const { text, outcome, finished } of completions) {
      const shown = outcome ?? (finished ? "no answer" : "cut off");
      print(`  ${text}  -> ${shown}`);
    }
  }
  await closeGpu(gpu);
}

// console.log would not tell that the output could not be written
const print = (line: string) => process.stdout.write(`${line}\n`);

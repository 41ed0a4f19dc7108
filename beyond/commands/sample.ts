import { type Question, textOf } from "../../lib/data/questions.ts";
import { PURPOSE, rollout } from "../../lib/rollout.ts";
import { openJudge } from "../answers/outcome.ts";
import { askedFrom } from "../datasets/conversation.ts";
import { openNamedModel, prompterOf } from "../opening/named-model.ts";
import { explainNotFinite } from "../opening/not-finite.ts";
import { openAsking } from "../opening/open-sampling.ts";
import { closeGpu } from "../opening/policy.ts";
import type { SampleSettings } from "../settings/measuring.ts";

/** No answer is known here, so none is right. */
const NO_GOLD = "";

/** `rlexplore sample`: prints completions of questions, each with the outcome it was counted as. */
export async function sample(given: SampleSettings): Promise<void> {
  const note = (text: string) => console.error(text);
  given.told.forEach(note);
  const model = await openNamedModel(given.model);
  const prompter = prompterOf(model, given, note);
  const thinking = prompter.thinking(given.thinkTags);
  const judge = await openJudge(given.outcome, given.outcomeTimeout, thinking);
  const asked = given.questions.map((typed): Question => {
    const row = { ...askedFrom(typed), answer: NO_GOLD, line: 0 };
    return {
      text: textOf(row),
      prompt: prompter.encodePrompt(row, "the question"),
      gold: NO_GOLD,
      judge: (completions) => judge.judge(completions, { row, gold: NO_GOLD }),
    };
  });
  const { numGenerations } = given;
  const samplingBatchSize = Math.min(given.samplingBatchSize, asked.length * numGenerations);
  const few = { ...given, samplingBatchSize };
  const opened = await openAsking(few, model, asked, numGenerations, { note });
  const { policy, questions, settings } = opened;
  const groups = await rollout(
    policy,
    questions,
    numGenerations,
    settings,
    PURPOSE.sample,
    0,
  ).catch((error) => {
    throw explainNotFinite(error, settings);
  });
  for (const { question, completions } of groups) {
    const prompt = given.showPrompt ? prompter.tokenizer.decode(question.prompt, true) : undefined;
    if (settings.json) {
      for (const { text, outcome, finished } of completions) {
        const what = { question: question.text, prompt, completion: text, outcome, finished };
        print(JSON.stringify(what));
      }
      continue;
    }
    print(prompt ?? question.text);
    for (const { text, outcome, finished } of completions) {
      const shown = outcome ?? (finished ? "no answer" : "cut off");
      print(`  ${text}  -> ${shown}`);
    }
  }
  await closeGpu(policy.gpu);
}

// console.log would not tell that the output could not be written
const print = (line: string) => process.stdout.write(`${line}\n`);

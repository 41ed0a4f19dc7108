import { readFileSync } from "node:fs";
import { type Question, textOf } from "../../lib/data/questions.ts";
import { UserError } from "../../lib/errors.ts";
import { PURPOSE, rollout } from "../../lib/rollout.ts";
import { openJudge } from "../answers/outcome.ts";
import { askedFrom } from "../datasets/conversation.ts";
import { openNamedModel, prompterOf } from "../opening/named-model.ts";
import { explainNotFinite } from "../opening/not-finite.ts";
import { openAsking } from "../opening/open-sampling.ts";
import { StreamedPolicy } from "../opening/streamed.ts";
import type { SampleSettings } from "../settings/measuring.ts";
import { completionLines, countsAs } from "../terminal/completions.ts";

/** No answer is known here, so none is right. */
const NO_GOLD = "";

/** The question that standard input holds, a conversation in JSON too. */
function fromStdin(): string {
  const text = readFileSync(0, "utf8").replace(/\r?\n$/, "");
  if (text.trim() === "") throw new UserError("standard input holds no question");
  return text;
}

/** `rlexplore sample`: prints completions of questions, each with the outcome it was counted as. */
export async function sample(given: SampleSettings): Promise<void> {
  const note = (text: string) => console.error(text);
  given.told.forEach(note);
  const model = await openNamedModel(given.model);
  const prompter = prompterOf(model, given, note);
  const thinking = prompter.thinking(given.thinkTags);
  const judge = await openJudge(given.outcome, given.outcomeTimeout, thinking);
  const asked = given.questions.map((typed): Question => {
    const row = { ...askedFrom(typed === "-" ? fromStdin() : typed), answer: NO_GOLD, line: 0 };
    return {
      text: textOf(row),
      prompt: prompter.encodePrompt(row, "the question"),
      gold: NO_GOLD,
      judge: (completions) => judge.judge(completions, { row, gold: NO_GOLD }),
    };
  });
  const { numGenerations } = given;
  const opened = await openAsking(given, model, asked, numGenerations, { note });
  const { policy, questions, settings } = opened;
  const promptOf = ({ prompt }: Question) =>
    given.showPrompt ? prompter.tokenizer.decode(prompt, true) : undefined;
  const isStreamed = process.stdout.isTTY && !settings.json && asked.length * numGenerations === 1;
  const tell = (piece: string) => process.stdout.write(piece);
  const streamed = isStreamed ? new StreamedPolicy(policy, settings.stop, { tell }) : null;
  if (streamed) print(promptOf(questions[0]) ?? questions[0].text);
  const groups = await rollout(
    streamed ?? policy,
    questions,
    numGenerations,
    settings,
    PURPOSE.sample,
    0,
  ).catch((error) => {
    throw explainNotFinite(error, settings);
  });
  for (const { question, completions } of groups) {
    const prompt = promptOf(question);
    if (streamed) {
      print(`${completions[0].text.slice(streamed.told)}\n-> ${countsAs(completions[0])}`);
    } else if (settings.json) {
      for (const { text, outcome, finished } of completions) {
        const what = { question: question.text, prompt, completion: text, outcome, finished };
        print(JSON.stringify(what));
      }
    } else {
      print([prompt ?? question.text, ...completionLines(completions)].join("\n"));
    }
  }
  await policy.close();
}

// console.log would not tell that the output could not be written
const print = (line: string) => process.stdout.write(`${line}\n`);

/** Whether a right answer can be given: what no completion earns teaches nothing. */
import type { Row } from "../../lib/data/judge.ts";
import { textOf } from "../../lib/data/questions.ts";
import { findAnswer, findStated, orLastNumber } from "./extract.ts";
import { goldText, isWorked, listOfGolds } from "./golds.ts";
import { openJudge } from "./outcome.ts";

/** Ways in which a prompt asks for an answer, and the words by which it does. */
const FORMS: { asked: RegExp; state: (answer: string) => string }[] = [
  { asked: /\\boxed/, state: (answer) => `\\boxed{${answer}}` },
  { asked: /<answer>/i, state: (answer) => `<answer>${answer}</answer>` },
  { asked: /####/, state: (answer) => `#### ${answer}` },
];

/** Outcomes of which it is known how a right completion looks. */
const STATABLE = /^(?:(?:math|number)(?::last-number)?|exact|choice)$/;

/**
 * Why no completion can earn a row, with the remedy; null where one can, or where only a program of the
 * user's could tell. The judge is asked about a completion that states the right answer.
 * @param prompt the words around the question, which may ask for a form
 */
export async function whyUnearnable(
  outcome: string,
  row: Row,
  prompt = "",
): Promise<string | null> {
  if (!STATABLE.test(outcome)) return null;
  const judge = await openJudge(outcome);
  const gold = judge.gold(row);
  if (gold === null) {
    return row.answer.trim() === ""
      ? "is empty: give every row one"
      : `is none for --outcome ${outcome}: shorten it, or choose another --outcome`;
  }
  const stated = outcome === "choice" ? gold : statedGold(outcome, row);
  if (outcome !== "exact" && outcome !== "choice" && isWorked(stated)) {
    return "is a worked solution that marks no answer: end it in #### 72 or \\boxed{72}, or pass --outcome math:last-number";
  }
  const asks = `${prompt}\n${textOf(row)}`;
  const asked = FORMS.filter((form) => form.asked.test(asks));
  for (const { state } of asked.length > 0 ? asked : FORMS) {
    const completion = { text: state(stated), truncated: false };
    const [{ correct }] = await judge.judge([completion], { row, gold });
    if (correct) return null;
  }
  return "is not right even where a completion states it: write it as a bare answer";
}

function statedGold(outcome: string, row: Row): string {
  const [answer] = listOfGolds(row.answer) ?? [row.answer];
  const find = outcome.startsWith("math") ? findStated : findAnswer;
  if (outcome === "exact") return find(answer)?.text ?? answer;
  return goldText(answer, outcome.endsWith(":last-number") ? orLastNumber(find) : find);
}

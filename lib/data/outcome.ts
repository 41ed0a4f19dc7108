/**
 * From the text of a completion to its outcome: find the final answer, bring it to canonical form,
 * compare it with the right one. Exploration counts outcomes, so two spellings of one answer must be
 * one outcome (1/2, 0.5, \frac12), and text that states no answer has the outcome `null`.
 */
import { UserError } from "../errors.ts";
import { choiceLetter, optionsOf } from "./outcome/choice.ts";
import { countdownAnswer } from "./outcome/countdown.ts";
import { type Answer, type AnswerForm, findAnswer, findStated } from "./outcome/extract.ts";
import { mathKey, readings, sharesReading, textKey } from "./outcome/math/canonical.ts";
import { KnownOutcomes } from "./outcome/math/known.ts";
import { numberKey } from "./outcome/math/number.ts";
import { isUserCode, userOutcome } from "./outcome/user.ts";
import type { Row } from "./rows.ts";

export interface Judgement {
  /** Canonical form of the final answer, or null when the completion states none. */
  outcome: string | null;
  correct: boolean;
  /** How the final answer is marked; null when there is none. */
  form: AnswerForm | null;
  /** What the user's own code gave it; 0 with a built-in outcome. */
  userReward: number;
  /** Where the answer stands in the completion, in UTF-16 units: [start, end). Null without one. */
  answerStart: number | null;
  answerEnd: number | null;
}

/** What was asked: the row and the outcome that is right. */
export interface Asked {
  row: Row;
  gold: string;
}

/** A completion; one cut off before its stop token has not stated its final answer. */
export interface Completed {
  text: string;
  truncated: boolean;
}

/** A way of telling outcomes. */
export interface Outcome {
  /** The right outcome of a row, whose answer may be bare or a worked solution; null if there is none. */
  gold(row: Row): string | null;
  /** Judges the completions of one question. */
  judge(completions: readonly Completed[], asked: Asked): Promise<Judgement[]>;
  /** Tells of an outcome counted earlier, which equal answers are to join. */
  remember(question: string, outcome: string): void;
}

export const OUTCOMES = ["math", "number", "choice", "exact", "countdown"] as const;

/** The outcome named on the command line: a built-in one, regex:<pattern>, or a file of the user's. */
export async function openOutcome(name: string): Promise<Outcome> {
  if (name === "math") return new MathOutcome();
  if (name === "number") return simple(findAnswer, numberKey);
  if (name === "choice")
    return simple(findAnswer, (text, row) => choiceLetter(text, optionsOf(row)));
  if (name === "exact") return simple(findAnswer, exactKey);
  if (name === "countdown") return countdown;
  if (name.startsWith("regex:")) return regex(name.slice("regex:".length));
  if (isUserCode(name)) return await userOutcome(name);
  throw new UserError(
    `--outcome ${name} is unknown: it is ${OUTCOMES.join(", ")}, regex:<pattern> or a file such as ./my-outcome.ts`,
  );
}

export const noAnswer: Judgement = {
  outcome: null,
  correct: false,
  form: null,
  userReward: 0,
  answerStart: null,
  answerEnd: null,
};

function judgement(outcome: string, correct: boolean, { form, start, end }: Answer): Judgement {
  return { ...noAnswer, outcome, correct, form, answerStart: start, answerEnd: end };
}

type Find = (text: string) => Answer | null;
type Key = (answer: string, row: Row) => string | null;

/** Outcomes that are equal exactly when their keys are. */
function simple(find: Find, key: Key): Outcome {
  const judgeOne = ({ text, truncated }: Completed, { row, gold }: Asked): Judgement => {
    const answer = truncated ? null : find(text);
    const outcome = answer && key(answer.text, row);
    return answer && outcome ? judgement(outcome, outcome === gold, answer) : noAnswer;
  };
  return {
    gold: (row) => key(find(row.answer)?.text ?? row.answer, row),
    judge: async (completions, asked) => completions.map((one) => judgeOne(one, asked)),
    remember: () => {},
  };
}

/** Mathematical answers: equal keys, or else an exact look at those whose values agree. */
class MathOutcome implements Outcome {
  private readonly known = new KnownOutcomes();

  gold(row: Row): string | null {
    return mathKey(goldText(row));
  }

  remember(question: string, outcome: string): void {
    this.known.remember(question, outcome);
  }

  async judge(completions: readonly Completed[], { row, gold }: Asked): Promise<Judgement[]> {
    this.known.remember(row.question, gold);
    const right = readings(goldText(row));
    const judged: Judgement[] = [];
    for (const { text, truncated } of completions) {
      const answer = truncated ? null : findStated(text);
      const key = answer && mathKey(answer.text);
      if (!answer || key === null) {
        judged.push(noAnswer);
        continue;
      }
      // asked for 50 %, the answer 50 says so too; asked for 2x + 1, so does y = 2x + 1
      const isGold = key === gold || sharesReading(readings(answer.text), right);
      const joined = isGold ? gold : this.known.join(row.question, key);
      const outcome = typeof joined === "string" ? joined : await joined;
      judged.push(judgement(outcome, outcome === gold, answer));
    }
    return judged;
  }
}

const goldText = (row: Row) => findStated(row.answer)?.text ?? row.answer;

function exactKey(answer: string): string | null {
  return textKey(answer.normalize("NFKC").replace(/^["'\u201c\u2018]+|["'\u201d\u2019.!]+$/g, ""));
}

/** The last match of a pattern: its first group if it has one. */
function regex(pattern: string): Outcome {
  let compiled: RegExp;
  try {
    compiled = new RegExp(pattern, "gsu");
  } catch (error) {
    throw new UserError(`--outcome regex:${pattern} is no pattern: ${(error as Error).message}`);
  }
  const find = (text: string): Answer | null => {
    // the end of a completion is where an answer stands; a bound on what a slow pattern can cost
    const from = Math.max(0, text.length - 10_000);
    const last = [...text.slice(from).matchAll(compiled)].pop();
    if (!last) return null;
    const found = last[1] ?? last[0];
    const start = from + last.index + last[0].indexOf(found);
    return { text: found, start, end: start + found.length, form: "pattern" };
  };
  return simple(find, (answer) => numberKey(answer));
}

/** Any expression of the row's numbers that hits the target is right; each is an outcome of its own. */
const countdown: Outcome = {
  gold: (row) => countdownAnswer(row.answer, row)?.key ?? row.answer,
  async judge(completions, { row }) {
    return completions.map(({ text, truncated }) => {
      const span = truncated ? null : findStated(text);
      const answer = span && countdownAnswer(span.text, row);
      return span && answer ? judgement(answer.key, answer.correct, span) : noAnswer;
    });
  },
  remember: () => {},
};

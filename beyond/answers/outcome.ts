/**
 * From the text of a completion to its outcome: find the final answer, bring it to canonical form,
 * compare it with the right one. Exploration counts outcomes, so two spellings of one answer must be
 * one outcome (1/2, 0.5, \frac12), and text that states no answer has the outcome `null`.
 */
import type { Judge, Row } from "../../lib/data/judge.ts";
import { UserError } from "../../lib/errors.ts";
import { isOwnFile } from "../own/file.ts";
import { userJudge } from "../own/outcome.ts";
import { choice, listsOptions } from "./choice.ts";
import { countdown, isCountdown } from "./countdown.ts";
import { as, findAnswer, findStated, orLastNumber } from "./extract.ts";
import { goldText } from "./golds.ts";
import { type Find, judgement } from "./judgement.ts";
import { textKey } from "./math/canonical.ts";
import { numberKey } from "./math/number.ts";
import { MathJudge } from "./math.ts";
import { lastMatches } from "./pattern.ts";
import { ReadingJudge } from "./reading.ts";
import { taskOf } from "./reasoning-gym.ts";
import { numberJudge, simple } from "./simple.ts";
import { USUAL } from "./thinking.ts";
import { judging } from "./thread.ts";

const OUTCOMES = [
  "math",
  "math:last-number",
  "number",
  "number:last-number",
  "choice",
  "exact",
  "countdown",
] as const;

/**
 * The outcome named on the command line: a built-in one, regex:<pattern>, or a file of the user's, whose
 * calls may take `timeout` seconds.
 * @param thinking what of a completion is no answer; code of the user's sees all
 * @param maxSteps of the run, which code of the user's is told; null where there is none
 */
export async function openJudge(
  name: string,
  timeout = 60,
  thinking = USUAL,
  maxSteps: number | null = null,
): Promise<Judge> {
  const reading = (judge: Judge, find: Find | null = null) => {
    const gold = find && ((answer: string) => goldText(answer, find));
    return new ReadingJudge(judge, gold ?? ((answer) => answer), thinking);
  };
  const either = orLastNumber(findAnswer);
  if (name === "auto" || name === "math") return reading(new MathJudge(findStated), findStated);
  if (name === "math:last-number") {
    return reading(new MathJudge(orLastNumber(findStated)), orLastNumber(findStated));
  }
  if (name === "number") return numberJudge(findAnswer, thinking);
  if (name === "number:last-number") return numberJudge(either, thinking);
  if (name === "choice") return reading(choice);
  if (name === "exact") return reading(simple(findAnswer, exactKey));
  if (name === "countdown") return reading(countdown);
  if (name.startsWith("regex:")) return reading(regex(name.slice("regex:".length)));
  if (isOwnFile(name)) return await userJudge(name, timeout, maxSteps);
  throw new UserError(
    `--outcome ${name} is unknown: it is ${OUTCOMES.join(", ")}, regex:<pattern> or a file such as ./my-outcome.ts`,
  );
}

/** The outcome that rows are made for, where none is asked for: what all of them hold decides. */
export function outcomeFor(rows: readonly Row[]): (typeof OUTCOMES)[number] {
  if (rows.length > 0 && rows.every(isCountdown)) return "countdown";
  if (rows.length > 0 && rows.every(listsOptions)) return "choice";
  return rows.length > 0 && rows.every((row) => taskOf(row)?.outcome === "exact")
    ? "exact"
    : "math";
}

function exactKey(answer: string): string | null {
  return textKey(answer.normalize("NFKC").replace(/^["'\u201c\u2018]+|["'\u201d\u2019.!]+$/g, ""));
}

/** The last match of a pattern: its first group if it has one. */
function regex(pattern: string): Judge {
  try {
    new RegExp(pattern, "gsu");
  } catch (error) {
    throw new UserError(`--outcome regex:${pattern} is no pattern: ${(error as Error).message}`);
  }
  return {
    gold(row: Row) {
      const [place] = lastMatches({ kind: "match", pattern, answers: [row.answer] });
      return numberKey(place ? row.answer.slice(...place) : row.answer);
    },
    async judge(completions, { gold }) {
      // a pattern can take for ever on a text made for it
      const texts = completions.map(({ text, truncated }) => (truncated ? "" : text));
      const places = await judging.lastMatches(pattern, texts);
      return completions.map(({ text, truncated }, i) => {
        const place = truncated ? null : places[i];
        if (place === null) return judgement(null, null, false);
        const [start, end] = place;
        const answer = as("pattern", { text: text.slice(start, end), start, end });
        const outcome = numberKey(text.slice(start, end));
        return judgement(answer, outcome, outcome === gold);
      });
    },
    remember: () => {},
  };
}

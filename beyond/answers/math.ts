/** Mathematical answers: equal keys, or else an exact look at those whose values agree. */
import type { Asked, Completed, Judge, Judgement, Row } from "../../lib/data/judge.ts";
import { textOf } from "../../lib/data/questions.ts";
import { findStated } from "./extract.ts";
import { type Find, judgement } from "./judgement.ts";
import { mathKey } from "./math/canonical.ts";
import { unwrap } from "./math/clean.ts";
import { inUnit, unitOf } from "./math/measure.ts";
import { MAX_ANSWER, PLAIN, plainNumber } from "./math/number.ts";
import { judging } from "./thread.ts";

/** The outcomes of one question. */
interface Known {
  /** In the order in which they were met. */
  outcomes: Set<string>;
  /** Are all of them plain numbers, which need no thread to be told apart? */
  plain: boolean;
  /** What answers were found to be, by the right answer and their text. */
  settled: Map<string, string | null>;
}

export class MathJudge implements Judge {
  private readonly questions = new Map<string, Known>();

  constructor(private readonly find: Find) {}

  gold(row: Row): string | null {
    return mathKey(goldText(row));
  }

  remember(question: string, outcome: string): void {
    add(this.of(question), outcome);
  }

  async judge(completions: readonly Completed[], { row, gold }: Asked): Promise<Judgement[]> {
    const known = this.of(textOf(row));
    const unit = unitOf(goldText(row));
    const place = (text: string) => `${gold}\n${text}`;
    const answers = completions.map(({ text, truncated }) => (truncated ? null : this.find(text)));
    const waiting = new Set<string>();
    for (const answer of answers) {
      if (answer === null || known.settled.has(place(answer.text))) continue;
      const outcome = atOnce(answer.text, gold, unit, known);
      if (outcome === undefined) waiting.add(answer.text);
      else settle(known, place(answer.text), outcome);
    }
    if (waiting.size > 0) {
      const texts = [...waiting];
      const task = { answers: texts, known: [gold, ...known.outcomes], unit };
      const outcomes = await judging.settle(task);
      for (const [i, text] of texts.entries()) settle(known, place(text), outcomes[i]);
    }
    return answers.map((answer) => {
      const outcome = (answer && known.settled.get(place(answer.text))) ?? null;
      return judgement(answer, outcome, outcome === gold);
    });
  }

  private of(question: string): Known {
    let known = this.questions.get(question);
    if (!known) {
      known = { outcomes: new Set(), plain: true, settled: new Map() };
      this.questions.set(question, known);
    }
    return known;
  }
}

const goldText = (row: Row) => findStated(row.answer)?.text ?? row.answer;

function add(known: Known, outcome: string): void {
  known.outcomes.add(outcome);
  known.plain &&= PLAIN.test(outcome);
}

function settle(known: Known, place: string, outcome: string | null): void {
  known.settled.set(place, outcome);
  if (outcome !== null) add(known, outcome);
}

/** The outcome of a plain number where no other kind of answer is known; undefined for other answers. */
function atOnce(
  answer: string,
  gold: string,
  unit: string | null,
  known: Known,
): string | null | undefined {
  if (answer.length > MAX_ANSWER) return null;
  const key = plainNumber(unwrap(answer));
  if (key === null || inUnit(key, answer, unit) !== key) return undefined;
  if (key === gold) return gold;
  const alone = known.plain && PLAIN.test(gold);
  return alone || known.outcomes.has(key) ? key : undefined;
}

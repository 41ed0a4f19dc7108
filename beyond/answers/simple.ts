/** Judges that compare keys: outcomes are equal exactly when their keys are. */
import type { Asked, Completed, Judge, Judgement } from "../../lib/data/judge.ts";
import { findAnswer } from "./extract.ts";
import { goldText } from "./golds.ts";
import { type Find, judgement } from "./judgement.ts";
import { numberKey } from "./math/number.ts";
import { ReadingJudge } from "./reading.ts";
import type { Thinking } from "./thinking.ts";

export function simple(find: Find, key: (answer: string) => string | null): Judge {
  const judgeOne = ({ text, truncated }: Completed, { gold }: Asked): Judgement => {
    const answer = truncated ? null : find(text);
    const outcome = answer && key(answer.text);
    return judgement(answer, outcome, outcome === gold);
  };
  return {
    gold: (row) => key(findAnswer(row.answer)?.text ?? row.answer),
    judge: async (completions, asked) => completions.map((one) => judgeOne(one, asked)),
    remember: () => {},
  };
}

/** `--outcome number`: answers that are numbers, found by `find`. */
export const numberJudge = (find: Find, thinking: Thinking): Judge =>
  new ReadingJudge(simple(find, numberKey), (answer) => goldText(answer, find), thinking);

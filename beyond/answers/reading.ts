/** A judge that is shown answers as it compares them: outside of the thinking, right ones as they are meant. */
import type { Asked, Completed, Judge, Judgement, Row } from "../../lib/data/judge.ts";
import { listOfGolds } from "./golds.ts";
import { type Thinking, withoutThinking } from "./thinking.ts";

export class ReadingJudge implements Judge {
  /** @param goldText the final answer of what a row has for one */
  constructor(
    private readonly judges: Judge,
    private readonly goldText: (answer: string) => string,
    private readonly thinking: Thinking,
  ) {}

  /** Of several right outcomes the first. */
  gold(row: Row): string | null {
    for (const one of this.read(row)) {
      const gold = this.judges.gold(one);
      if (gold !== null) return gold;
    }
    return null;
  }

  remember(question: string, outcome: string): void {
    this.judges.remember(question, outcome);
  }

  async judge(completions: readonly Completed[], { row, gold }: Asked): Promise<Judgement[]> {
    const said = completions.map(({ text, truncated }) => ({
      text: withoutThinking(text, this.thinking),
      truncated,
    }));
    const [first, ...others] = this.read(row);
    let judgements = await this.judges.judge(said, { row: first, gold });
    for (const other of others) {
      const otherGold = this.judges.gold(other);
      if (otherGold === null) continue;
      const again = await this.judges.judge(said, { row: other, gold: otherGold });
      judgements = judgements.map((one, i) => (one.correct || !again[i].correct ? one : again[i]));
    }
    return judgements;
  }

  /** A row for each of its right answers. */
  private read(row: Row): Row[] {
    const answers = listOfGolds(row.answer) ?? [row.answer];
    const outside = { ...this.thinking, begun: null };
    return answers.map((answer) => ({
      ...row,
      answer: this.goldText(withoutThinking(answer, outside)),
    }));
  }
}

import { textOf } from "../../lib/data/questions.ts";
import { openJudge } from "../answers/outcome.ts";
import { readRows } from "../datasets/rows.ts";
import type { ReportedRun } from "./runs.ts";

/** The right answers of the runs' data, by question; empty where the data cannot be read any more. */
export async function goldAnswers(runs: readonly ReportedRun[]): Promise<Map<string, string>> {
  const gold = new Map<string, string>();
  const sources = new Map(
    runs.map(({ settings }) => [`${settings.data}\n${settings.outcome}`, settings]),
  );
  for (const settings of sources.values()) {
    try {
      const outcome = await openJudge(String(settings.outcome));
      const { rows } = await readRows(String(settings.data), {
        questionField: (settings.questionField as string | null) ?? null,
        answerField: (settings.answerField as string | null) ?? null,
        skipBad: true,
      });
      for (const row of rows) {
        const answer = outcome.gold(row);
        if (answer !== null) gold.set(textOf(row), answer);
      }
    } catch {
      // the data has moved: answers that earned a reward are marked all the same
    }
  }
  return gold;
}

import { expect, test } from "bun:test";
import { warnOfFewVisits } from "../../beyond/opening/open-run.ts";
import { parseAdvantage, parseExploration } from "../../beyond/settings/exploration.ts";

/** What is said of a run of 6 steps of 2 questions. */
function said(explore: string, advantage: string, questions: number): string[] {
  const notes: string[] = [];
  const methods = {
    exploration: parseExploration(explore, [0.2]),
    advantage: parseAdvantage(advantage),
  };
  const settings = { explore, advantage, maxSteps: 6, promptsPerStep: 2 };
  warnOfFewVisits(questions, methods, settings, (text) => notes.push(text));
  return notes;
}

test("a bonus or an advantage that reads history is warned of where questions are seldom asked again", () => {
  expect(said("none", "grpo", 12)).toEqual([]);
  expect(said("batch,entropy", "maxrl", 12)).toEqual([]);
  expect(said("ucb", "gated", 3)).toEqual([]);
  expect(said("ucb", "maxrl", 12)).toEqual([
    expect.stringMatching(/visited 1\.0 times; --explore ucb rewards .* or more \(raise/),
  ]);
  expect(said("none", "gated", 12)).toEqual([
    expect.stringMatching(/visited 1\.0 times; --advantage gated has earlier/),
  ]);
  const [both] = said("ucb", "gated", 12);
  expect(both).toMatch(/--explore ucb .*; --advantage gated /);
});

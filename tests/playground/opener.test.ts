/** Runs of the executable, read without it. */
import { afterAll, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ReportedRun } from "../../beyond/report/runs.ts";
import { readRuns } from "../../playground/opener/runs.ts";
import { RunInTheMaking } from "../report/made-run.ts";

const folder = mkdtempSync(join(tmpdir(), "rlexplore-opener-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** The files of a folder, as a page is given them. */
const filesIn = (run: string) =>
  readdirSync(join(folder, run)).map((name) => ({
    path: `${run}/${name}`,
    file: Bun.file(join(folder, run, name)) as Blob,
  }));

test("a run of the executable has its steps, its evaluations and every completion", async () => {
  const making = new RunInTheMaking(join(folder, "made"), { explore: "ucb-con" });
  making.train(6);
  making.evaluate();
  making.close();
  const [{ name, side, notes }] = await readRuns(filesIn("made"));
  const reported = new ReportedRun(join(folder, "made"));
  reported.refresh();
  const { rollouts } = reported;
  expect(name).toBe("made");
  expect(side.steps.map(({ step, reward }) => [step, reward])).toEqual(
    reported.steps.map(({ step, reward }) => [step, reward] as never),
  );
  expect(side.held.map(({ step }) => step)).toEqual(reported.evaluations.steps);
  const { step, question, outcome, correct, questions, outcomes, text } = side.log;
  expect({ step, question, outcome, correct, questions, outcomes }).toEqual({
    step: rollouts.step,
    question: rollouts.question,
    outcome: rollouts.outcome,
    correct: rollouts.correct,
    questions: rollouts.questions,
    outcomes: rollouts.outcomes,
  });
  expect(text).toEqual(rollouts.completions(text.map((_, place) => place)));
  expect(notes).toEqual([expect.stringMatching(/^Its checkpoints are not opened/)]);
  reported.close();

  appendFileSync(join(folder, "made", "metrics.jsonl"), '{"step": 7, "rew');
  const most = filesIn("made").filter(({ path }) => !path.includes("ledger"));
  const [without] = await readRuns(most);
  expect(without.notes[0]).toMatch(/^1 damaged/);
  expect(without.notes[1]).toMatch(/no ledger.sqlite, and so no treasure map/);
});

test("files without a run are refused in a sentence", async () => {
  const file = new Blob(["{}"]);
  expect(readRuns([{ path: "config.json", file }])).rejects.toThrow(/no run is among these files/);
  const [damaged] = await readRuns([
    { path: "metrics.jsonl", file: new Blob([]) },
    { path: "ledger.sqlite", file: new Blob(["no database, whatever it is called"]) },
  ]);
  expect(damaged.notes[1]).toMatch(/^ledger.sqlite cannot be read: file is not a database/);
});

import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ReportedRun } from "../../beyond/report/runs.ts";
import { RunFolder } from "../../beyond/runs/folder.ts";
import { nowSection } from "../../beyond/watch/sections.ts";
import { statusOf } from "../../beyond/watch/status.ts";
import { RunInTheMaking } from "../report/made-run.ts";

const folder = mkdtempSync(join(tmpdir(), "rlexplore-status-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

let made = 0;
const begin = (settings: Record<string, unknown> = {}, explore: string | null = "none") =>
  new RunInTheMaking(join(folder, `run-${++made}`), {
    explore,
    settings: { maxSteps: 8, ...(explore !== null && { learningRate: 1e-4 }), ...settings },
  });

function look(path: string, now?: number) {
  const run = new ReportedRun(path);
  run.refresh();
  run.close();
  const status = statusOf(run, now);
  const { html } = nowSection([status], [run]);
  return { ...status, text: html.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ") };
}

test("a run goes on while its ledger is held, and says what it does", () => {
  const run = begin();
  run.train(3);
  const said = RunFolder.open(run.path);
  said.tell("evaluating step 3: 64 of 128 questions", 100);
  const { at } = said.readActivity() as { at: number };
  expect(look(run.path, at + 40_000)).toMatchObject({ state: "running", step: 3, total: 8 });
  expect(look(run.path, at + 40_000).left).toBeCloseTo(60, 6);
  expect(look(run.path, at + 40_000).text).toMatch(
    /^ running step 3 of 8 evaluating step 3: 64 of 128 questions about 1m 0s of steps left /,
  );
  // what a killed run has said is not what it does
  run.close();
  expect(look(run.path)).toMatchObject({ state: "stopped", activity: "", left: null });
});

test("a run whose steps are done is running until it has saved", () => {
  const run = begin();
  run.train(8);
  RunFolder.open(run.path).tell("evaluating the trained model: 0 of 12 questions", 0);
  expect(look(run.path).state).toBe("running");
  expect(look(run.path).text).not.toContain("left");
  run.close();
  expect(look(run.path).state).toBe("stopped");
  mkdirSync(join(run.path, "checkpoint-8"));
  expect(look(run.path).text).toContain(`finished step 8 of 8 the model is in ${run.path}/check`);
});

test("a stopped run is gone on with by a command; samples of a base model need no checkpoint", () => {
  const run = begin();
  run.train(5);
  run.close();
  mkdirSync(join(run.path, "checkpoint-4"));
  expect(look(run.path).text).toContain(
    `stopped step 5 of 8 go on, from checkpoint-4: rlexplore train --resume ${run.path}`,
  );
  const base = begin({}, null);
  base.train(5);
  expect(look(base.path).state).toBe("running");
  base.close();
  expect(look(base.path).text).toContain(`rlexplore sample-base --resume ${base.path}`);
  const whole = begin({ maxSteps: 5 }, null);
  whole.train(5);
  whole.close();
  expect(look(whole.path).state).toBe("finished");
});

test("the last step's metrics are there, and why nothing is learned", () => {
  const run = begin({ maxCompletionLength: 16, outcome: "math" });
  run.train(1);
  run.log({ step: 2, loss: 0.25, truncated: 1, noAnswer: 1, equalRewards: 1, gradNorm: 0 });
  expect(look(run.path).nothing).toBeNull();
  run.log({ step: 3, loss: 0.25, truncated: 1, noAnswer: 1, equalRewards: 1, gradNorm: 0 });
  const { text } = look(run.path);
  for (const told of ["loss 0.2500", "cut off 100%", "no answer 100%", "equal groups 100%"]) {
    expect(text).toContain(told);
  }
  expect(text).toContain("every completion is cut off");
  run.close();
});

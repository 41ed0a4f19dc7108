import { Database } from "bun:sqlite";
import { afterAll, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sampleBase } from "../../beyond/commands/sample-base.ts";
import { train } from "../../beyond/commands/train.ts";
import { RunFolder } from "../../beyond/runs/folder.ts";
import { sampleBaseSettings, trainSettings } from "../../beyond/settings/arguments.ts";
import type { SampleBaseSettings } from "../../beyond/settings/training.ts";
import { shareGpu } from "../kernels.ts";

shareGpu();
const folder = mkdtempSync(join(tmpdir(), "rlexplore-sample-base-"));
afterAll(() => rmSync(folder, { recursive: true }));
const data = join(folder, "questions.jsonl");
const questions = ["10+1-1+1=", "11+2+1+1=", "12-1-1-1=", "13+1+1-2="];
const row = (question: string, i: number) => JSON.stringify({ question, answer: String(11 + i) });
writeFileSync(data, questions.map(row).join("\n"));

const readStored = (run: string) => RunFolder.open(run).readConfig<SampleBaseSettings>().settings;
const flags = "--prompts-per-step 2 --num-generations 4 --seed 5 --quiet".split(" ");
const path = (name: string) => join(folder, name);
const sampled = (name: string, ...more: string[]) =>
  sampleBase(sampleBaseSettings([data, ...flags, "--output-dir", path(name), ...more], readStored));

const rollouts = (name: string, where = "1") =>
  new Database(join(path(name), "ledger.sqlite"), { readonly: true })
    .query(
      `SELECT step, slot, sample, text, completion, outcome, correct, reward, entropy
       FROM rollouts JOIN questions ON questions.id = question WHERE ${where} ORDER BY 1, 2, 3`,
    )
    .all();
const metrics = (name: string): { step: number; solved: number }[] =>
  readFileSync(join(path(name), "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

test("goes on with the rows that it began with alone", async () => {
  const more = [data, ...flags, "--output-dir", path("rows")];
  await sampleBase(sampleBaseSettings([...more, "--max-steps", "1"], readStored));
  const before = readFileSync(data, "utf8");
  appendFileSync(data, `\n${row("14+1=", 4)}`);
  const again = ["--resume", path("rows"), "--max-steps", "2", "--quiet"];
  await expect(sampleBase(sampleBaseSettings(again, readStored))).rejects.toThrow(
    `${data} (5 rows, 4 then) is not what this run was begun with; put it back, or start another run`,
  );
  writeFileSync(data, before);
});

test("the model draws what a run of train draws, and stays as it is", async () => {
  await sampled("base", "--max-steps", "4");
  const trained = [data, ...flags, "--max-steps", "3", "--learning-rate", "1e-2"];
  await train(trainSettings([...trained, "--output-dir", path("trained")], readStored));
  expect(rollouts("base", "step = 1")).toEqual(rollouts("trained", "step = 1"));
  const asked = (name: string) =>
    rollouts(name, "step <= 3").map((r) => (r as { text: string }).text);
  expect(asked("base")).toEqual(asked("trained"));
  expect(rollouts("base", "step = 3")).not.toEqual(rollouts("trained", "step = 3"));
});

test("in the order and without the questions held out that train has", async () => {
  const order = ["--max-steps", "2", "--shuffle-seed", "3", "--eval-fraction", "0.3"];
  await sampled("held-base", ...order);
  const trained = [data, ...flags, ...order, "--eval-samples", "1", "--output-dir", path("held")];
  await train(trainSettings(trained, readStored));
  const texts = (name: string) => rollouts(name).map((r) => (r as { text: string }).text);
  expect(texts("held-base")).toEqual(texts("held"));
  expect(new Set(texts("held")).size).toBe(3);
});

test("cut short within a step and continued: the same rollouts and metrics as at once", async () => {
  await sampled("cut", "--max-steps", "2");
  // what a kill leaves between the metrics and the ledger of a step
  appendFileSync(join(path("cut"), "metrics.jsonl"), '{"step":3,"solved":0}\n{"step":');
  const more = ["--resume", path("cut"), "--max-steps", "4", "--quiet"];
  await sampleBase(sampleBaseSettings(more, readStored));
  expect(rollouts("cut")).toEqual(rollouts("base"));
  expect(metrics("cut").map(({ step }) => step)).toEqual([1, 2, 3, 4]);
  expect(metrics("cut").map(({ solved }) => solved)).toEqual(
    metrics("base").map(({ solved }) => solved),
  );
});

import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { evaluate } from "../../beyond/commands/evaluate.ts";
import { train } from "../../beyond/commands/train.ts";
import { readEvaluation } from "../../beyond/measuring/evaluation.ts";
import { Evaluations } from "../../beyond/report/evaluations.ts";
import { RunFolder, runOf } from "../../beyond/runs/folder.ts";
import { evalSettings, sampleSettings, trainSettings } from "../../beyond/settings/arguments.ts";
import type { TrainSettings } from "../../beyond/settings/training.ts";
import { shareGpu } from "../kernels.ts";

shareGpu();
const folder = mkdtempSync(join(tmpdir(), "rlexplore-evaluate-"));
afterAll(() => rmSync(folder, { recursive: true }));
const data = join(folder, "held.jsonl");
const other = join(folder, "other.jsonl");
const run = join(folder, "run");

const readStored = (path: string) => RunFolder.open(path).readConfig<TrainSettings>().settings;
const readRun = (model: string) => {
  const found = runOf(model);
  return found && { settings: found.readConfig().settings, file: found.configPath };
};
const row = (question: string, answer: string) => `${JSON.stringify({ question, answer })}\n`;
const metrics = () =>
  readFileSync(join(run, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

const resume = (...flags: string[]) =>
  train(trainSettings(["--resume", run, "--quiet", ...flags], readStored));

beforeAll(async () => {
  writeFileSync(data, row("10+1=", "11") + row("11+2=", "13"));
  writeFileSync(other, row("12+1=", "13"));
  const size = "--max-steps 2 --prompts-per-step 2 --num-generations 2 --quiet";
  const asking = "--max-completion-length 9 --temperature 0.9 --eval-samples 4 --outcome number";
  const args = [data, ...size.split(" "), ...asking.split(" ")];
  await train(trainSettings([...args, "--eval-file", data, "--output-dir", run], readStored));
});

test("eval and sample ask as the run did, say so, and name what differs", () => {
  const flags = ["--model", run, "--num-samples", "2", "--top-k", "5"];
  const { told, ...settings } = evalSettings([data, ...flags], readRun);
  expect(settings).toMatchObject({ outcome: "number", maxCompletionLength: 9, temperature: 0.9 });
  expect(told).toEqual([
    "as in its run: --outcome number --max-completion-length 9 --temperature 0.9",
    "--top-k 5 is not as in its run, which has 0",
  ]);
  const asked = sampleSettings(["q", "--model", join(run, "checkpoint-2")], readRun);
  expect(asked).toMatchObject({ outcome: "number", maxCompletionLength: 9, temperature: 0.9 });
  expect(evalSettings([data, "--model", folder], readRun)).toMatchObject({
    outcome: "auto",
    told: [],
  });
});

test("eval writes files of its own, which stand for a step that train did not evaluate", async () => {
  const evaluations = join(run, "evaluations");
  const trained = readFileSync(join(evaluations, "held-2.json"), "utf8");
  const args = ["--model", run, "--num-samples", "2", "--quiet"];
  await evaluate(evalSettings([data, ...args], readRun));
  await evaluate(evalSettings([data, ...args, "--temperature", "0.2"], readRun));
  await evaluate(evalSettings([other, ...args], readRun));
  expect(readdirSync(evaluations).sort()).toEqual([
    "held-0.json",
    "held-2.eval-2.json",
    "held-2.eval.json",
    "held-2.json",
    "other-2.eval.json",
  ]);
  expect(readFileSync(join(evaluations, "held-2.json"), "utf8")).toBe(trained);
  const second = readEvaluation(join(evaluations, "held-2.eval-2.json"));
  expect(second.sampling.temperature).toBe(0.2);
  const reported = new Evaluations(run, null);
  reported.refresh();
  expect(reported.at(2)?.asked).toContain("4 samples each, temperature 0.9");
  const ofOther = new Evaluations(run, other);
  ofOther.refresh();
  expect(ofOther.at(2)?.asked).toContain("1 questions, 2 samples each");
});

const state = () =>
  JSON.parse(
    readFileSync(
      join(run, `checkpoint-${metrics().at(-1).step}`, "trainer", "trainer_state.json"),
      "utf8",
    ),
  ).state;

test("a run that goes on keeps its base row", async () => {
  await resume("--max-steps", "3");
  const [base] = metrics().filter(({ step, evaluation }) => step === 0 && evaluation);
  expect(base.evaluation.sampling.temperature).toBe(0.9);
  expect(state().before).toEqual(base.evaluation);
  const card = readFileSync(join(run, "checkpoint-3", "README.md"), "utf8");
  expect(card).toMatch(/## Held out\n\n2 questions, 4 samples each.*\| base \| .*\| trained \| /s);
});

test("evaluations have their own temperature: in train, in eval of the run, and without a base drawn at another", async () => {
  await resume(
    "--max-steps",
    "4",
    "--eval-temperature",
    "0.3",
    "--eval-max-completion-length",
    "11",
  );
  const own = { temperature: 0.3, topP: 1, topK: 0, minP: 0, maxCompletionLength: 11 };
  const [first, , , last] = metrics()
    .filter(({ evaluation }) => evaluation)
    .map(({ evaluation }) => evaluation);
  expect(first.sampling).toEqual({ ...own, temperature: 0.9, maxCompletionLength: 9 });
  expect(last.sampling).toEqual(own);
  expect(readEvaluation(join(run, "evaluations", "held-4.json")).sampling).toEqual(own);
  expect(state().before).toBeNull();
  const flags = ["--model", run, "--num-samples", "2"];
  const { told, ...settings } = evalSettings([data, ...flags], readRun);
  expect(settings).toMatchObject({ temperature: 0.3, maxCompletionLength: 11 });
  expect(told[0]).toContain(
    "as in its run: --outcome number --max-completion-length 11 --temperature 0.3",
  );
  // sample asks as training did
  expect(sampleSettings(["q", ...flags.slice(0, 2)], readRun).temperature).toBe(0.9);
  const reported = new Evaluations(run, data);
  reported.refresh();
  expect(reported.at(4)?.temperature).toBe(0.3);
  expect(reported.at(4)?.likeness).not.toBe(reported.at(0)?.likeness);
});

test("a run that goes on with other held-out questions has no base row", async () => {
  await resume("--max-steps", "5", "--eval-file", other);
  expect(state().before).toBe(null);
  expect(state().best.step).toBe(5);
  expect(metrics().filter(({ step, evaluation }) => step === 4 && evaluation)).toHaveLength(1);
});

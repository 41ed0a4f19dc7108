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

test("a run that goes on with other held-out questions has no base row", async () => {
  await resume("--max-steps", "3");
  const [base] = metrics().filter(({ step, evaluation }) => step === 0 && evaluation);
  const state = () =>
    JSON.parse(
      readFileSync(
        join(run, `checkpoint-${metrics().at(-1).step}`, "trainer", "trainer_state.json"),
        "utf8",
      ),
    ).state;
  expect(state().before).toEqual(base.evaluation);
  await resume("--max-steps", "4", "--eval-file", other);
  expect(state().before).toBe(null);
  expect(state().best.step).toBe(4);
  expect(metrics().filter(({ step, evaluation }) => step === 3 && evaluation)).toHaveLength(1);
});

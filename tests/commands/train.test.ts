import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { train } from "../../beyond/commands/train.ts";
import { holdOut, questionHash } from "../../beyond/datasets/split.ts";
import { RunFolder } from "../../beyond/runs/folder.ts";
import { trainSettings } from "../../beyond/settings/arguments.ts";
import type { TrainSettings } from "../../beyond/settings/training.ts";
import { UserError } from "../../lib/errors.ts";
import { drawQuestions } from "../../lib/random.ts";
import { shareGpu } from "../kernels.ts";

shareGpu();
const folder = mkdtempSync(join(tmpdir(), "rlexplore-train-test-"));
const data = join(folder, "questions.jsonl");
afterAll(() => rmSync(folder, { recursive: true }));

const readStored = (run: string) => RunFolder.open(run).readConfig<TrainSettings>().settings;
type FlagValues = Record<string, string | number | boolean>;
const small: FlagValues = {
  "prompts-per-step": 4,
  "num-generations": 4,
  "max-steps": 3,
  "learning-rate": 1e-3,
  quiet: true,
};
let runs = 0;
const nextRun = () => join(folder, `run-${runs + 1}`);

/** Runs `train` with these flags in a new folder, and gives the folder. */
async function run(flags: FlagValues, signal?: AbortSignal): Promise<string> {
  const path = nextRun();
  runs++;
  const all: FlagValues = { ...small, "output-dir": path, ...flags };
  const args = Object.entries(all).flatMap(([name, value]) =>
    value === true ? [`--${name}`] : [`--${name}`, String(value)],
  );
  await train(trainSettings([data, ...args], readStored), signal);
  return path;
}

const weights = (path: string, step = 3) =>
  readFileSync(join(path, `checkpoint-${step}`, "model.safetensors"));
const metrics = (path: string) =>
  readFileSync(join(path, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
const counts = (path: string) =>
  new Database(join(path, "ledger.sqlite"), { readonly: true })
    .query("SELECT question, outcome, COUNT(*) n FROM rollouts GROUP BY 1, 2 ORDER BY 1, 2")
    .all();

let plain: string;
beforeAll(async () => {
  const questions = ["10+1-1+1=", "11+2+1+1=", "12-1-1-1=", "13+1+1-2=", "14-2-1+3=", "15+1+2+1="];
  const answers = ["11", "15", "9", "13", "14", "19"];
  writeFileSync(
    data,
    questions.map((question, i) => JSON.stringify({ question, answer: answers[i] })).join("\n"),
  );
  plain = await run({});
});

test("--shuffle-seed orders the questions, --eval-fraction holds some out, and a resumed run keeps both", async () => {
  const flags = { "shuffle-seed": 7, "eval-fraction": 0.34, "eval-samples": 2 };
  const asked = (path: string) =>
    new Database(join(path, "ledger.sqlite"), { readonly: true })
      .query(
        "SELECT text FROM rollouts JOIN questions ON questions.id = question GROUP BY step, slot ORDER BY step, slot",
      )
      .values()
      .flat();
  const path = await run({ ...flags, "max-steps": 2 });
  const all = readFileSync(data, "utf8")
    .split("\n")
    .map((line, i) => ({ ...JSON.parse(line), line: i + 1 }));
  const { training } = holdOut(
    all.map(({ question }) => questionHash(question)),
    0.34,
    7,
  );
  const inOrder = drawQuestions(7, 0, 12, 4).map((place) => all[training[place]].question);
  expect(asked(path)).toEqual(inOrder.slice(0, 8));
  expect(metrics(path)[0].evaluation.questions).toBe(2);
  await train(trainSettings(["--resume", path, "--max-steps", "3", "--quiet"], readStored));
  expect(asked(path)).toEqual(inOrder);
  expect(() => trainSettings(["--resume", path, "--eval-fraction", "0.5"], readStored)).toThrow(
    "--eval-fraction cannot change when a run is continued (it was 0.34)",
  );
});

test("a reward of parts moves the policy; solved is what is right, whatever it earned", async () => {
  const parts = { reward: "correct=0.25,format=1,length=-0.01,overlong=0.5", "overlong-cache": 50 };
  const path = await run({ ...parts, "max-completion-length": 50 });
  expect(weights(path).equals(weights(plain))).toBe(false);
  const rows = new Database(join(path, "ledger.sqlite"), { readonly: true })
    .query("SELECT step, slot, question, outcome, correct, reward, advantage, tokens FROM rollouts")
    .all() as Record<string, number>[];
  for (const row of rows) {
    const group = rows.filter(({ step, slot }) => step === row.step && slot === row.slot);
    const mean = group.reduce((sum, { reward }) => sum + reward, 0) / group.length;
    const marked = row.outcome === null ? 0 : 1;
    const earned = 0.25 * row.correct + marked - 0.01 * row.tokens - (0.5 * row.tokens) / 50;
    expect(row.reward).toBeCloseTo(earned, 9);
    expect(row.advantage).toBeCloseTo(row.reward - mean, 9);
  }
  const right = rows.filter(({ correct }) => correct);
  expect(right.length).toBeGreaterThan(0);
  const last = metrics(path)[2];
  expect(last.solved).toBeCloseTo(new Set(right.map(({ question }) => question)).size / 6, 9);
  expect(last.rewardParts.correct).toBe(last.passAt1);
  expect(last.rewardParts.length).toBe(last.completionLength);
  await train(trainSettings(["--resume", path, "--quiet", "--max-steps", "4"], readStored));
  expect(metrics(path)[3].solved).toBeGreaterThanOrEqual(last.solved);
});

describe("same seed, same bits", () => {
  test("two runs of three steps give identical weights and rollouts", async () => {
    const again = await run({});
    expect(weights(again).equals(weights(plain))).toBe(true);
    expect(counts(again)).toEqual(counts(plain));
  });

  test("another seed gives other weights", async () => {
    expect(weights(await run({ seed: 7 })).equals(weights(plain))).toBe(false);
  });

  test("the batch that completions are sampled in changes nothing", async () => {
    const narrow = await run({ "sampling-batch-size": 3 });
    expect(weights(narrow).equals(weights(plain))).toBe(true);
  });

  test("micro-batches change the weights by rounding only", async () => {
    const cut = new Float32Array(
      weights(await run({ "micro-batch-tokens": 70 })).buffer.slice(-4000),
    );
    const whole = new Float32Array(weights(plain).buffer.slice(-4000));
    const difference = Math.hypot(...cut.map((x, i) => x - whole[i])) / Math.hypot(...whole);
    expect(difference).toBeLessThan(2e-4);
  });
});

describe("resume", () => {
  test("stopped after step 2 and continued: the weights and counts of four steps at once", async () => {
    const whole = await run({ "max-steps": 4, "save-steps": 1 });
    const interruption = new AbortController();
    const path = nextRun();
    const stop = setInterval(() => {
      try {
        if (metrics(path).length >= 2) interruption.abort();
      } catch {
        // not there yet
      }
    }, 1);
    await run({ "max-steps": 4 }, interruption.signal);
    clearInterval(stop);
    expect(metrics(path).length).toBeLessThan(4);
    await train(trainSettings(["--resume", path, "--quiet"], readStored));
    expect(weights(path, 4).equals(weights(whole, 4))).toBe(true);
    expect(counts(path)).toEqual(counts(whole));
    expect(metrics(path).map(({ step }) => step)).toEqual([1, 2, 3, 4]);
  });

  test("rows written after the last checkpoint are taken back before they are written again", async () => {
    const path = await run({ "max-steps": 3, "save-steps": 2, "save-total-limit": 2 });
    rmSync(join(path, "checkpoint-3"), { recursive: true });
    await train(trainSettings(["--resume", path, "--quiet"], readStored));
    expect(weights(path).equals(weights(plain))).toBe(true);
    expect(counts(path)).toEqual(counts(plain));
  });
});

test("a resumed run keeps the kernels it was begun with", async () => {
  const path = await run({ "max-steps": 2 });
  const file = join(path, "config.json");
  const config = JSON.parse(readFileSync(file, "utf8"));
  const key = "forward 64x192 f32 f32";
  config.tuning[key] = config.tuning[key].startsWith("plain") ? "tiled 64x64" : "plain 4x8";
  delete config.check; // taken as it is
  writeFileSync(file, JSON.stringify(config));
  await train(trainSettings(["--resume", path, "--max-steps", "3", "--quiet"], readStored));
  expect(RunFolder.open(path).readConfig().tuning).toEqual(config.tuning);
  // sums in another order: the same numbers, in other bits
  expect(weights(path).equals(weights(plain))).toBe(false);
  expect(metrics(path)[2].loss).toBeCloseTo(metrics(plain)[2].loss, 4);
});

describe("the algorithm", () => {
  test("the importance ratio of the first update is 1", () => {
    for (const { ratio } of metrics(plain)) expect(Math.abs(ratio - 1)).toBeLessThan(1e-5);
  });

  test("with coefficient 0 every method is none, bit for bit", async () => {
    const none = weights(await run({ explore: "none" }));
    expect(none.equals(weights(plain))).toBe(false);
    // each alone gives the signal of none: tests/explore/bonus.test.ts
    const zero = await run({ explore: "ucb,ucb-mean,ucb-con,batch", "explore-coef": 0 });
    expect(weights(zero).equals(none)).toBe(true);
  });

  test("a short run raises the reward far beyond noise", async () => {
    const path = await run({ "max-steps": 25, "num-generations": 16, explore: "none" });
    const rewards = metrics(path).map(({ reward }) => reward);
    const mean = (some: number[]) => some.reduce((a, b) => a + b, 0) / some.length;
    // 64 completions a step: a step's mean errs by 0.06 at most, that of five steps by 0.03.
    expect(mean(rewards.slice(-5)) - mean(rewards.slice(0, 5))).toBeGreaterThan(0.25);
  });

  test("several updates a step, KL, GSPO, and dynamic sampling", async () => {
    const several = await run({ "num-iterations": 2, "steps-per-generation": 2 });
    expect(Math.abs(metrics(several)[0].ratio - 1)).toBeGreaterThan(1e-3);
    const [first, , last] = metrics(await run({ beta: 0.1 }));
    expect(first.kl).toBeLessThan(1e-9);
    expect(last.kl).toBeGreaterThan(1e-4);
    const sequence = await run({ "importance-sampling-level": "sequence", "loss-type": "dr_grpo" });
    expect(weights(sequence).equals(weights(plain))).toBe(false);
    const filtered = await run({ "filter-zero-variance": true, explore: "none" });
    const rollouts = new Database(join(filtered, "ledger.sqlite"), { readonly: true })
      .query("SELECT step, COUNT(*) n FROM rollouts GROUP BY 1")
      .all() as { n: number }[];
    expect(rollouts.some(({ n }) => n > 16)).toBe(true);
  });

  test("a gradient that is not finite stops the run and keeps the last checkpoint", async () => {
    const path = nextRun();
    const failed = run({ "learning-rate": 1e30, "save-steps": 1 });
    await expect(failed).rejects.toThrow(UserError);
    await expect(failed).rejects.toThrow(
      /after step 1: the model's logits are not finite numbers; lower --learning-rate \(checkpoint-1/,
    );
    expect(readdirSync(path)).toContain("checkpoint-1");
  });
});

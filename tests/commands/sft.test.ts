import { afterAll, beforeAll, describe, expect, spyOn, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sft } from "../../beyond/commands/sft.ts";
import { openEmbeddedModel } from "../../beyond/models/embedded.ts";
import { NextToken } from "../../beyond/opening/next-token.ts";
import { openSft } from "../../beyond/opening/open-sft.ts";
import { closeGpu, OpenPolicy } from "../../beyond/opening/policy.ts";
import { SystemGpu } from "../../beyond/platform/gpu.ts";
import { RunFolder } from "../../beyond/runs/folder.ts";
import { sftSettings, trainSettings } from "../../beyond/settings/arguments.ts";
import { shareGpu } from "../kernels.ts";

shareGpu();
const folder = mkdtempSync(join(tmpdir(), "rlexplore-sft-test-"));
afterAll(() => rmSync(folder, { recursive: true }));
const data = join(folder, "rows.jsonl");
const held = join(folder, "held.jsonl");
const rowsOf = (answers: Record<string, string>) =>
  Object.entries(answers)
    .map(([prompt, completion]) => `${JSON.stringify({ prompt, completion })}\n`)
    .join("");
const ROWS = { "10+1=": "#11", "11+2=": "#13", "12-1=": "#11", "13+1=": "#14", "14+3=": "#17" };

const readStored = (run: string) => RunFolder.open(run).readConfig().settings;
const size =
  "--max-steps 6 --rows-per-step 2 --learning-rate 1e-3 --save-steps 2 --save-total-limit 9 --lr-scheduler-type linear --quiet";
const begin = (path: string, ...flags: string[]) =>
  sft(sftSettings([data, ...size.split(" "), "--output-dir", path, ...flags], readStored));
const resume = (path: string, ...flags: string[]) =>
  sft(sftSettings(["--resume", path, "--quiet", ...flags], readStored));
const ofEnd = (path: string) =>
  ["model.safetensors", "trainer/optimizer.safetensors"].map((name) =>
    readFileSync(join(path, "checkpoint-6", name)),
  );
const metrics = (path: string) =>
  readFileSync(join(path, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

const whole = join(folder, "whole");
beforeAll(async () => {
  writeFileSync(data, rowsOf(ROWS));
  writeFileSync(held, rowsOf({ "15+1=": "#16", "16-3=": "#13" }));
  await begin(whole, "--eval-file", held, "--eval-steps", "4", "--tensorboard");
});

let copies = 0;
function copyOf(path: string): string {
  const copy = join(folder, `copy-${++copies}`);
  cpSync(path, copy, { recursive: true });
  return copy;
}

test("a run that was cut goes on to the same bits, its held-out figures included", async () => {
  const cut = copyOf(whole);
  rmSync(join(cut, "checkpoint-6"), { recursive: true });
  await resume(cut);
  for (const [i, bytes] of ofEnd(cut).entries()) expect(bytes.equals(ofEnd(whole)[i])).toBe(true);
  const timeless = (path: string) =>
    metrics(path).map(({ learningTokensPerSecond: _, ...line }) => line);
  expect(timeless(cut)).toEqual(timeless(whole));
});

test("held-out loss and token accuracy: before, on the way and after, in metrics and TensorBoard", () => {
  const evaluations = metrics(whole).filter(({ evaluation }) => evaluation);
  expect(evaluations.map(({ step }) => step)).toEqual([0, 4, 6]);
  const losses = evaluations.map(({ evaluation }) => evaluation.figures.loss);
  expect(losses[2]).toBeLessThan(losses[0]);
  expect(evaluations[0].evaluation).toMatchObject({ examples: 2, tokens: 8 });
  const events = readFileSync(
    join(whole, [...new Bun.Glob("*tfevents*").scanSync(whole)][0]),
  ).toString("latin1");
  expect(events).toContain("eval/loss");
  expect(events).toContain("eval/tokenAccuracy");
});

test("token accuracy is the share of tokens that greedy decoding would draw", async () => {
  const model = await openEmbeddedModel();
  const sampling = { rows: 1, samplesPerPrompt: 1, maxPromptTokens: 16, maxNewTokens: 24 };
  const policy = await OpenPolicy.open(await SystemGpu.open(), model, { sampling });
  const prompt = policy.tokenizer.encodePrompt("23+7-4+9=", "q");
  const [[{ tokens }]] = await policy.sampler.generate(
    policy.weights,
    [{ prompt, samples: 1, slot: 0 }],
    {
      ...{ temperature: 1, topK: 1, topP: 1, minP: 0 },
      ...{ maxNewTokens: 24, stopIds: policy.stopIds, seed: [1, 0], step: 0 },
    },
  );
  await closeGpu(policy.gpu);
  const run = await openSft(sftSettings([data, "--output-dir", join(folder, "open"), "--quiet"]));
  const lessons = new NextToken(run.policy, 4096);
  const accuracyOf = async (completion: number[]) =>
    (await lessons.measure([{ prompt, completion }])).accuracy;
  expect(tokens.length).toBeGreaterThan(3);
  expect(await accuracyOf(tokens)).toBe(1);
  const changed = tokens.with(-1, tokens[0]);
  expect(await accuracyOf(changed)).toBe((tokens.length - 1) / tokens.length);
  await closeGpu(run.policy.gpu);
});

describe("a run that goes on", () => {
  test("refuses what is not as it was begun with, and takes more steps, which it says", async () => {
    writeFileSync(data, rowsOf({ ...ROWS, "10+1=": "#12" }));
    await expect(resume(copyOf(whole), "--max-steps", "7")).rejects.toThrow(
      /rows\.jsonl \(5 rows, 5 then\) is not what this run was begun with/,
    );
    writeFileSync(data, rowsOf(ROWS));
    await expect(resume(copyOf(whole), "--max-steps", "4")).rejects.toThrow(
      /has done 6 steps already: raise --max-steps 4/,
    );
    const other = () => sftSettings(["--resume", whole, "--learning-rate", "1"], readStored);
    expect(other).toThrow("--learning-rate cannot change when a run is continued (it was 0.001)");
    const longer = copyOf(whole);
    expect(await resume(longer, "--max-steps", "7")).toBe(join(longer, "checkpoint-7"));
    expect(metrics(longer).at(-1)).toMatchObject({ step: 7 });
  });

  test("is one of its own command", () => {
    expect(() => trainSettings(["--resume", whole], readStored)).toThrow(
      `${whole} is a run of sft; go on with it by: rlexplore sft --resume ${whole}`,
    );
    const stored = () => ({ learningRate: 1 });
    expect(() => sftSettings(["--resume", "r"], stored)).toThrow(
      "r is a run of train; go on with it by: rlexplore train --resume r",
    );
    expect(() => RunFolder.requireFree(whole)).toThrow(
      `go on with that run: rlexplore sft --resume ${whole}`,
    );
  });
});

test("a run that is stopped saves, and names the command that goes on with it", async () => {
  const controller = new AbortController();
  const path = join(folder, "stopped");
  const rare = size.replace("--save-steps 2", "--save-steps 99").split(" ");
  let written = "";
  const write = spyOn(process.stdout, "write").mockImplementation((text) => {
    written += String(text);
    return true;
  });
  const append = spyOn(RunFolder.prototype, "appendMetrics").mockImplementation(({ step }) => {
    if (step === 3) controller.abort();
  });
  try {
    await sft(sftSettings([data, ...rare, "--output-dir", path], readStored), controller.signal);
  } finally {
    write.mockRestore();
    append.mockRestore();
  }
  expect(written).toContain(`stopped after step 3; go on with: rlexplore sft --resume ${path}`);
  expect(await resume(path)).toBe(join(path, "checkpoint-6"));
  expect(ofEnd(path)[0].equals(ofEnd(whole)[0])).toBe(true);
});

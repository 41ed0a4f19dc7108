import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sft } from "../../beyond/commands/sft.ts";
import { train } from "../../beyond/commands/train.ts";
import { readExperiment } from "../../beyond/compare/experiment.ts";
import { merge } from "../../beyond/export/merge.ts";
import { openNamedModel } from "../../beyond/opening/named-model.ts";
import { OpenPolicy } from "../../beyond/opening/policy.ts";
import { adapterOf, RunFolder } from "../../beyond/runs/folder.ts";
import { mergeSettings, sftSettings, trainSettings } from "../../beyond/settings/arguments.ts";
import type { TrainSettings } from "../../beyond/settings/training.ts";
import { PackedBatch } from "../../lib/model/packing.ts";
import { borrowGpu, shareGpu } from "../kernels.ts";

shareGpu();
const folder = mkdtempSync(join(tmpdir(), "rlexplore-lora-test-"));
const data = join(folder, "questions.jsonl");
const gpu = await borrowGpu();
afterAll(() => {
  gpu.destroy();
  rmSync(folder, { recursive: true });
});

const readStored = (run: string) => RunFolder.open(run).readConfig<TrainSettings>().settings;
const flags = ["--lora-rank", "4", "--lora-alpha", "8", "--beta", "0.1", "--max-steps", "4"];
const small = ["--prompts-per-step", "3", "--num-generations", "4", "--quiet", "--save-steps", "2"];
const run = (name: string, ...more: string[]) => {
  const path = join(folder, name);
  const args = [data, ...flags, ...small, "--learning-rate", "1e-3", "--output-dir", path, ...more];
  return train(trainSettings(args, readStored)).then(() => path);
};
const adapter = (path: string) =>
  readFileSync(join(path, "checkpoint-4/adapter_model.safetensors"));

let path: string;
beforeAll(async () => {
  const rows = ["10+1-1+1=", "11+2+1+1=", "12-1-1-1="].map((question, i) => {
    return JSON.stringify({ question, answer: ["11", "15", "9"][i] });
  });
  writeFileSync(data, rows.join("\n"));
  path = await run("whole");
});

/** Log-probabilities of some completions under what `--model name` opens. */
async function logprobsOf(name: string): Promise<Float32Array> {
  const optimizer = { adamBeta1: 0, adamBeta2: 0, adamEpsilon: 1, weightDecay: 0, maxGradNorm: 1 };
  const learning = { microBatchTokens: 32, optimizer, reference: false };
  const policy = await OpenPolicy.open(gpu, await openNamedModel(name), { learning });
  const batch = new PackedBatch(32);
  batch.add([1, 2, 3, 4], [[5, 6, 7], [8]]);
  const logprobs = new Float32Array(batch.predictions);
  await policy.trainingPass.logprobs(policy.weights, batch, 1, logprobs, logprobs.slice());
  return logprobs;
}

test("a LoRA run keeps adapters in PEFT's format; resumed or with checkpointing it gives the same bits", async () => {
  expect(existsSync(join(path, "checkpoint-4/model.safetensors"))).toBe(false);
  const config = JSON.parse(readFileSync(join(path, "checkpoint-4/adapter_config.json"), "utf8"));
  expect(config).toMatchObject({ r: 4, lora_alpha: 8, base_model_name_or_path: "embedded" });
  const whole = adapter(path);
  rmSync(join(path, "checkpoint-4"), { recursive: true });
  await train(trainSettings(["--resume", path, "--quiet"], readStored));
  expect(adapter(path).equals(whole)).toBe(true);
  const checkpointed = await run("checkpointed", "--gradient-checkpointing");
  expect(adapter(checkpointed).equals(whole)).toBe(true);
});

test("the adapter samples with its base; merged, the model computes the same alone", async () => {
  const adapted = await logprobsOf(path);
  const base = await logprobsOf("embedded");
  const merged = join(folder, "merged");
  await merge(mergeSettings([path, "--output-dir", merged]));
  const alone = await logprobsOf(merged);
  for (const [m, logprob] of adapted.entries()) {
    expect(Math.abs(alone[m] - logprob)).toBeLessThan(1e-4 * Math.max(1, Math.abs(logprob)));
  }
  expect(Math.max(...adapted.map((logprob, m) => Math.abs(logprob - base[m])))).toBeGreaterThan(
    1e-3,
  );
  await expect(merge(mergeSettings([merged, "--output-dir", path]))).rejects.toThrow(/is there/);
});

test("an adapter is gone on with, on other data, by train and sft; a reference is the model with it", async () => {
  const other = join(folder, "other.jsonl");
  writeFileSync(other, JSON.stringify({ question: "13+1=", answer: "14" }));
  const on = join(folder, "on");
  const args = [other, ...small, "--model", path, "--max-steps", "1", "--beta", "0.1"];
  const settings = trainSettings([...args, "--output-dir", on], readStored, adapterOf);
  expect(settings).toMatchObject({ loraRank: 4, loraAlpha: 8, learningRate: 1e-5 });
  await train({ ...settings, learningRate: 0 });
  const saved = join(on, "checkpoint-1");
  expect(readFileSync(join(saved, "adapter_model.safetensors")).equals(adapter(path))).toBe(true);
  const config = JSON.parse(readFileSync(join(saved, "adapter_config.json"), "utf8"));
  expect(config).toMatchObject({ r: 4, lora_alpha: 8, base_model_name_or_path: "embedded" });
  const [line] = readFileSync(join(on, "metrics.jsonl"), "utf8").split("\n");
  expect(JSON.parse(line).kl).toBeLessThan(1e-9);

  const rows = join(folder, "rows.jsonl");
  writeFileSync(rows, JSON.stringify({ prompt: "1+1=", completion: "2" }));
  const taught = ["--max-steps", "2", "--quiet", "--learning-rate", "1e-3", "--output-dir"];
  const sftArgs = [rows, "--model", path, ...taught, join(folder, "sft")];
  const sftOf = (...more: string[]) => sftSettings([...sftArgs, ...more], readStored, adapterOf);
  const learned = readFileSync(join(await sft(sftOf()), "adapter_model.safetensors"));
  expect(learned.length).toBe(adapter(path).length);
  expect(learned.equals(adapter(path))).toBe(false);

  // what another adapter would be made of is refused
  const wrong: [string[], string][] = [
    [["--lora-rank", "8"], `--lora-rank 8 is not that of the adapter ${path}, 4: leave it out`],
    [["--lora-targets", "q_proj"], "--lora-targets q_proj is not that of the adapter"],
    [["--from-scratch"], `--from-scratch needs a whole model, and ${path} is an adapter`],
  ];
  for (const [more, message] of wrong) expect(() => sftOf(...more)).toThrow(message);
  expect(() => sftOf("--lora-rank", "8")).toThrow(`merge ${path} --output-dir merged`);
  expect(sftOf("--lora-rank", "4", "--lora-alpha", "8").loraRank).toBe(4);

  // the adapter is part of what a run was begun with
  rmSync(saved, { recursive: true });
  cpSync(path, join(folder, "kept"), { recursive: true });
  cpSync(join(folder, "sft/checkpoint-2"), join(path, "checkpoint-4"), { recursive: true });
  const again = train(trainSettings(["--resume", on, "--quiet"], readStored, adapterOf));
  await expect(again).rejects.toThrow(/is not what this run was begun with/);
  cpSync(join(folder, "kept"), path, { recursive: true });
});

test("compare goes on with an adapter as train does", async () => {
  const yaml = join(folder, "on-adapter.yaml");
  const said = `settings: { model: ${path}, max-steps: 2 }\nmethods: { none: { explore: none } }`;
  const evaluate = "evaluate: { checkpoints: [2], num-samples: 8 }";
  writeFileSync(yaml, `data: ${data}\nheld-out: ${data}\nseeds: [1]\n${said}\n${evaluate}\n`);
  const { runs } = await readExperiment(yaml, join(folder, "compared"));
  expect(runs[1].settings).toMatchObject({ loraRank: 4, loraAlpha: 8, learningRate: 1e-5 });
});

test("LoRA's flags agree with each other", () => {
  const settings = (...args: string[]) => trainSettings([data, ...args], readStored);
  expect(() => settings("--lora-rank", "6")).toThrow(/multiple of 4/);
  expect(() => settings("--lora-alpha", "6")).toThrow(/need --lora-rank/);
  expect(() => settings("--lora-rank", "8", "--lora-targets", "q_proj,x")).toThrow(/q_proj or/);
  expect(settings("--lora-rank", "8", "--model", "m").learningRate).toBe(1e-5);
  expect(settings("--model", "m").learningRate).toBe(1e-6);
  expect(() => settings("--base-dtype", "q4_1")).toThrow(/not trained: add --lora-rank/);
  expect(settings("--lora-rank", "8", "--base-dtype", "q4_1").baseDtype).toBe("q4_1");
  expect(settings().baseDtype).toBe("auto");
  const scratch = () => sftSettings([data, "--lora-rank", "8", "--from-scratch"]);
  expect(scratch).toThrow(/exclude/);
});

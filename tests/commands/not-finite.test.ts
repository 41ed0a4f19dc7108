import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { evaluate } from "../../beyond/commands/evaluate.ts";
import { sample } from "../../beyond/commands/sample.ts";
import { train } from "../../beyond/commands/train.ts";
import { openEmbeddedModel } from "../../beyond/models/embedded.ts";
import { descriptionFiles } from "../../beyond/models/folder.ts";
import { encodeSafetensors, readTensor } from "../../beyond/models/safetensors.ts";
import { RunFolder } from "../../beyond/runs/folder.ts";
import { evalSettings, sampleSettings, trainSettings } from "../../beyond/settings/arguments.ts";
import type { TrainSettings } from "../../beyond/settings/training.ts";
import { hasHalves } from "../../beyond/storage/precision.ts";
import { borrowGpu, shareGpu } from "../kernels.ts";

shareGpu();
const folder = mkdtempSync(join(tmpdir(), "rlexplore-not-finite-"));
const data = join(folder, "questions.jsonl");
afterAll(() => rmSync(folder, { recursive: true }));

const gpu = await borrowGpu();
const halves = hasHalves(gpu);
gpu.destroy();

const NORM = "model.norm.weight";
const UP = "model.layers.1.mlp.up_proj.weight";
const models = { nan: join(folder, "nan"), hot: join(folder, "hot"), warm: join(folder, "warm") };

/** The embedded model with one of its tensors changed. */
async function changed(path: string, name: string, change: (values: Float32Array) => void) {
  const model = await openEmbeddedModel();
  for (const [file, text] of Object.entries(descriptionFiles(model))) {
    await Bun.write(join(path, file), text);
  }
  const sources = [...model.tensors].map(([tensor, { shape }]) => ({
    name: tensor,
    shape,
    async data() {
      const values = await readTensor(model.tensors, tensor);
      if (tensor === name) change(values);
      return values;
    },
  }));
  const pieces: Uint8Array[] = [];
  for await (const piece of encodeSafetensors(sources)) pieces.push(piece.slice());
  writeFileSync(join(path, "model.safetensors"), Buffer.concat(pieces));
}

beforeAll(async () => {
  writeFileSync(data, '{"question":"10+1-1+1=","answer":"11"}\n');
  await changed(models.nan, UP, (values) => {
    values[5] = Number.NaN;
  });
  // logits beyond float32, and activations beyond float16
  await changed(models.hot, NORM, (values) => values.fill(3e38));
  await changed(models.warm, UP, (values) => {
    for (let i = 0; i < values.length; i++) values[i] *= 1e5;
  });
});

const readStored = (run: string) => RunFolder.open(run).readConfig<TrainSettings>().settings;
let runs = 0;
async function run(model: string, ...flags: string[]) {
  const path = join(folder, `run-${runs++}`);
  const steps = flags.includes("--max-steps") ? [] : ["--max-steps", "2"];
  const size = [...steps, "--prompts-per-step", "1", "--num-generations", "4"];
  const args = [data, "--model", model, ...size, "--outcome", "number", "--quiet"];
  const length = ["--max-completion-length", "8", "--output-dir", path];
  const error = await train(trainSettings([...args, ...length, ...flags], readStored)).catch(
    (e) => e,
  );
  return { path, message: `${error?.name}: ${error?.message}` };
}

const rollouts = (path: string) =>
  new Database(join(path, "ledger.sqlite"), { readonly: true })
    .query("SELECT step, logprob, entropy FROM rollouts")
    .values();

const LENGTH = ["--max-completion-length", "8"];
const evaluated = (model: string, ...flags: string[]) => {
  const args = ["--num-samples", "2", "--output", join(folder, "e.json"), "--quiet", ...LENGTH];
  return evaluate(evalSettings([data, "--model", model, ...args, ...flags]));
};

test("weights that are not finite are refused when they are read, by the tensor's name", async () => {
  const named = `UserError: ${join(models.nan, "model.safetensors")}: ${UP} holds NaN`;
  expect((await run(models.nan)).message).toStartWith(named);
  if (halves) expect((await run(models.nan, "--dtype", "f16")).message).toStartWith(named);
  await expect(evaluated(models.nan)).rejects.toThrow(`${UP} holds NaN`);
  const asked = sample(sampleSettings(["1+1=", "--model", models.nan, ...LENGTH]));
  await expect(asked).rejects.toThrow(`${UP} holds NaN`);
});

describe("logits that are not finite", () => {
  test("end a run where they arise, and nothing of them is kept", async () => {
    const { path, message } = await run(models.hot);
    expect(message).toBe(
      "UserError: in the first step: the model's logits are not finite numbers; its weights are too large for float32: get the model again, or another one (nothing was saved yet)",
    );
    expect(rollouts(path)).toEqual([]);
  });

  test.skipIf(!halves)("of float16 point to float32, in train, eval and sample", async () => {
    const { path, message } = await run(models.warm, "--dtype", "f16");
    expect(message).toMatch(/^UserError: .*logits are not finite numbers; use --dtype f32/);
    expect(rollouts(path)).toEqual([]);
    await expect(evaluated(models.warm, "--dtype", "f16")).rejects.toThrow("use --dtype f32");
    const args = ["1+1=", "--model", models.warm, "--dtype", "f16", ...LENGTH];
    await expect(sample(sampleSettings(args))).rejects.toThrow("use --dtype f32");
    expect((await run(models.warm)).message).toBe("undefined: undefined");
  });

  test("after an update point to the learning rate; such weights are never saved", async () => {
    const later = await run("embedded", "--learning-rate", "1e38");
    expect(later.message).toMatch(/^UserError: after step 1: .*lower --learning-rate/);
    const last = await run("embedded", "--learning-rate", "1e38", "--max-steps", "1");
    expect(last.message).toMatch(
      /after step 1: the model's weights are not.*lower --learning-rate/,
    );
    expect(existsSync(join(last.path, "checkpoint-1"))).toBe(false);
    for (const [, logprob, entropy] of rollouts(later.path)) {
      expect(Number.isFinite(logprob) && Number.isFinite(entropy)).toBe(true);
    }
  });
});

test("what no arithmetic bears is refused before it begins", () => {
  const settings = (...flags: string[]) => trainSettings([data, ...flags], readStored);
  expect(() => settings("--temperature", "1e-45")).toThrow(
    "--temperature must be a number at least 0.0001",
  );
  expect(() => settings("--explore-coef", "1e38")).toThrow("at most 1000000");
  expect(() => settings("--reward", "correct=1e300")).toThrow(
    "--reward correct=1e300 is more than gradients bear; use weights up to 1000000",
  );
});

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { train } from "../../beyond/commands/train.ts";
import { openEmbeddedModel } from "../../beyond/models/embedded.ts";
import { openSafetensors, readTensor } from "../../beyond/models/safetensors.ts";
import { OpenPolicy } from "../../beyond/opening/policy.ts";
import { RunFolder } from "../../beyond/runs/folder.ts";
import { trainSettings } from "../../beyond/settings/arguments.ts";
import type { TrainSettings } from "../../beyond/settings/training.ts";
import { OPTIMIZERS } from "../../beyond/storage/moments.ts";
import { hasHalves } from "../../beyond/storage/precision.ts";
import { UserError } from "../../lib/errors.ts";
import type { MemoryPlanner } from "../../lib/gpu/memory.ts";
import { shareGpu, testGpu } from "../kernels.ts";

shareGpu();
// Whole runs with --dtype f16 on the embedded model. They are here, and not beside those in f32, because
// this folder is tested on adapters with f16 too.
const gpu = await testGpu();
setDefaultTimeout(300_000);
const why = hasHalves(gpu) ? "" : `, skipped: ${gpu.found.name} has no shader-f16`;

const folder = mkdtempSync(join(tmpdir(), "rlexplore-precision-test-"));
afterAll(() => rmSync(folder, { recursive: true }));
const data = join(folder, "questions.jsonl");
const sums = ["10+1-1+1=11", "11+2+1+1=15", "12-1-1-1=9", "13+1+1-2=14", "14-2-1+3=16"];
const rows = sums.map((sum) => {
  const [question, answer] = sum.split("=");
  return JSON.stringify({ question: `${question}=`, answer });
});
writeFileSync(data, rows.join("\n"));

const readStored = (run: string) => RunFolder.open(run).readConfig<TrainSettings>().settings;
const common = ["--prompts-per-step", "4", "--num-generations", "4", "--learning-rate", "1e-3"];
const run = (...flags: string[]) => train(trainSettings([data, ...flags, "--quiet"], readStored));
const start = (path: string, ...flags: string[]) =>
  run("--output-dir", path, "--dtype", "f16", ...common, ...flags);

const optimizer = {
  adamBeta1: 0.9,
  adamBeta2: 0.999,
  adamEpsilon: 1e-8,
  weightDecay: 0,
  maxGradNorm: 1,
};

describe.skipIf(!hasHalves(gpu))(`runs in f16${why}`, () => {
  test.each([...OPTIMIZERS])(
    "%s, stopped after step 2 and continued: the weights of four steps at once, in f32",
    async (optim) => {
      const [whole, halved] = [join(folder, `whole-${optim}`), join(folder, `halved-${optim}`)];
      await start(whole, "--max-steps", "4", "--beta", "0.01", "--optim", optim);
      await start(halved, "--max-steps", "2", "--beta", "0.01", "--optim", optim);
      await run("--resume", halved, "--max-steps", "4");
      const file = (path: string) => join(path, "checkpoint-4/model.safetensors");
      expect(readFileSync(file(halved)).equals(readFileSync(file(whole)))).toBe(true);

      const tensors = await openSafetensors(Bun.file(file(whole)), file(whole));
      const weights = await readTensor(tensors, "model.embed_tokens.weight");
      expect(weights.some((value) => value !== Math.f16round(value))).toBe(true);
      const [first] = readFileSync(join(whole, "metrics.jsonl"), "utf8").split("\n");
      const { ratio, kl } = JSON.parse(first);
      expect(Math.abs(ratio - 1)).toBeLessThan(1e-5);
      expect(kl).toBe(0);
    },
  );

  test("the memory plan is what is then allocated, to the byte", async () => {
    const model = await openEmbeddedModel();
    const sampling = { rows: 8, samplesPerPrompt: 4, maxPromptTokens: 12, maxNewTokens: 20 };
    const learning = { microBatchTokens: 100, optimizer, reference: true };
    const lora = { rank: 4, alpha: 8, targets: ["q_proj"] as const };
    for (const needs of [
      { sampling, learning },
      { sampling, learning: { ...learning, lora, gradientCheckpointing: true } },
      { sampling },
    ]) {
      const before = gpu.allocatedBytes;
      const totals: number[] = [];
      for (const dtype of ["f16", "f32"] as const) {
        const allocated = gpu.allocatedBytes;
        await OpenPolicy.open(gpu, model, { dtype, ...needs }, (plan: MemoryPlanner) => {
          totals.push(plan.total);
        });
        expect(gpu.allocatedBytes - allocated).toBe(totals.at(-1) as number);
      }
      expect(gpu.allocatedBytes - before).toBe(totals[0] + totals[1]);
      expect(totals[0]).toBeLessThan(totals[1]);
    }
  });
});

test.skipIf(hasHalves(gpu))("an adapter without f16 is refused in one line", async () => {
  const path = join(folder, "refused");
  const error = await start(path, "--max-steps", "1").catch((error) => error);
  expect(error).toBeInstanceOf(UserError);
  expect(error.message).toMatch(/^.* has no shader-f16, .*; use --dtype f32, or another .*--gpu$/);
  expect(() => RunFolder.open(path)).toThrow();
});

/** SmolLM2-135M with LoRA: two steps on one GPU, and on one and two workers (README.md says where the file is from). */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { train } from "../../beyond/commands/train.ts";
import { trainSettings } from "../../beyond/settings/arguments.ts";
import { ClusterHere, within } from "../cluster/here.ts";

const path = process.env.RLEXPLORE_SMOLLM2;
if (!path) console.log("tests/real: skipped, RLEXPLORE_SMOLLM2 names no file (README.md there)");
const folder = mkdtempSync(join(tmpdir(), "rlexplore-smollm2-cluster-"));
afterAll(() => rmSync(folder, { recursive: true }));
const data = join(folder, "data.jsonl");
const FLAGS =
  "--max-steps 2 --prompts-per-step 2 --num-generations 2 --max-completion-length 8 --lora-rank 4 " +
  "--micro-batch-tokens 256 --sampling-batch-size 4 --explore batch --learning-rate 1e-3 --gradient-shards 2 --quiet";

async function weights(workers: number): Promise<unknown> {
  const run = join(folder, `on-${workers}`);
  const ray = workers > 0 ? ["--ray", "local"] : [];
  const args = [data, "--model", String(path), ...FLAGS.split(" "), "--output-dir", run, ...ray];
  await within(new ClusterHere(workers), () => train(trainSettings(args, () => ({}))));
  const files = ["adapter_model.safetensors", "trainer/optimizer.safetensors"];
  return files.map((file) => Bun.hash(readFileSync(join(run, "checkpoint-2", file))));
}

test.skipIf(!path)(
  "learns to the same bits on one GPU and on one and two workers",
  async () => {
    const rows = ["2+2=", "3+5="].map((question, i) => ({ question, answer: `${4 * (i + 1)}` }));
    writeFileSync(data, rows.map((row) => JSON.stringify(row)).join("\n"));
    const alone = await weights(0);
    expect(await weights(1)).toEqual(alone);
    expect(await weights(2)).toEqual(alone);
  },
  3_600_000,
);

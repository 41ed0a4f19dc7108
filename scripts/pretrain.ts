// Makes the embedded base model anew: generates its texts from a seed, trains it on them with
// `rlexplore sft`, and puts the weights into models/base/. Run as `npm run pretrain`.
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sft } from "../beyond/commands/sft.ts";
import { sftSettings } from "../beyond/settings/arguments.ts";
import { hardFacts, pretrainingRow } from "../beyond/tasks/arithmetic.ts";

const STEPS = 2000;
const ROWS_PER_STEP = 96;
const SEED = 1;

const folder = mkdtempSync(join(tmpdir(), "rlexplore-pretrain-"));
const data = join(folder, "texts.jsonl");
const hard = hardFacts();
const lines: string[] = [];
for (let i = 0; i < STEPS * ROWS_PER_STEP; i++) {
  lines.push(JSON.stringify(pretrainingRow(SEED, i, hard)));
}
writeFileSync(data, `${lines.join("\n")}\n`);

const flags = {
  model: "models/base",
  "output-dir": join(folder, "run"),
  "max-steps": STEPS,
  "rows-per-step": ROWS_PER_STEP,
  "micro-batch-tokens": 6144,
  "learning-rate": 3e-3,
  "lr-scheduler-type": "cosine",
  "warmup-steps": 50,
  "weight-decay": 0.01,
  "adam-beta2": 0.95,
  "save-steps": STEPS,
  seed: SEED,
};
const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
const began = performance.now();
const path = await sft(sftSettings([data, "--from-scratch", ...args]));
copyFileSync(join(path, "model.safetensors"), "models/base/model.safetensors");
rmSync(folder, { recursive: true });
console.log(`models/base rebuilt in ${((performance.now() - began) / 60_000).toFixed(1)} minutes`);

// Makes the embedded base model anew: generates its texts from a seed, trains it on them with
// `rlexplore sft`, and puts the weights into models/base/. Run as `npm run pretrain`.
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hardFacts, pretrainingRow } from "../beyond/tasks/arithmetic.ts";
import { fromScratch, ROWS_PER_STEP, SEED } from "./from-scratch.ts";

const STEPS = 2000;

const folder = mkdtempSync(join(tmpdir(), "rlexplore-pretrain-"));
const data = join(folder, "texts.jsonl");
const hard = hardFacts();
const lines: string[] = [];
for (let i = 0; i < STEPS * ROWS_PER_STEP; i++) {
  lines.push(JSON.stringify(pretrainingRow(SEED, i, hard)));
}
writeFileSync(data, `${lines.join("\n")}\n`);

const began = performance.now();
const path = await fromScratch("models/base", data, {
  run: join(folder, "run"),
  steps: STEPS,
  saveSteps: STEPS,
});
copyFileSync(join(path, "model.safetensors"), "models/base/model.safetensors");
rmSync(folder, { recursive: true });
console.log(`models/base rebuilt in ${((performance.now() - began) / 60_000).toFixed(1)} minutes`);

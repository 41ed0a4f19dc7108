// The effect on the embedded task: trains the base with several methods and seeds, and writes what the
// held-out questions say to bench/results/effect.json, for `scripts/figure.ts` to draw.
// Run as `bun scripts/effect.ts`; finished runs in runs/effect/ are not repeated.
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { trainSettings } from "../lib/arguments.ts";
import type { Evaluation } from "../lib/evaluate.ts";
import { train } from "../lib/train.ts";

const METHODS = ["none", "ucb-con", "batch"];
const SEEDS = [1, 2, 3];
const STEPS = 320;
const FLAGS = {
  "eval-file": "examples/arithmetic-test.jsonl",
  "eval-samples": "128",
  "max-steps": String(STEPS),
  "save-steps": String(STEPS),
};

interface MetricsLine {
  step: number;
  evaluation?: Evaluation;
  solved?: number;
}

const read = (run: string): MetricsLine[] =>
  readFileSync(join(run, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

const isDone = (run: string) =>
  existsSync(join(run, "metrics.jsonl")) &&
  read(run).some(({ step, evaluation }) => step === STEPS && evaluation);

const results = [];
let base: Evaluation | undefined;
for (const seed of SEEDS) {
  for (const method of METHODS) {
    const run = join("runs/effect", `${method}-${seed}`);
    if (!isDone(run)) {
      rmSync(run, { recursive: true, force: true });
      const flags = { ...FLAGS, explore: method, seed: String(seed), "output-dir": run };
      const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
      await train(trainSettings(["examples/arithmetic.jsonl", ...args], () => ({})));
    }
    const lines = read(run);
    const evaluations = lines.flatMap(({ evaluation }) => evaluation ?? []);
    base ??= evaluations[0];
    const solved = lines.findLast((line) => line.solved !== undefined)?.solved;
    results.push({ method, seed, steps: STEPS, solved, trained: evaluations.at(-1) });
    const { adapter } = JSON.parse(readFileSync(join(run, "config.json"), "utf8"));
    const command = "bun scripts/effect.ts";
    const all = { date: new Date().toISOString().slice(0, 10), command, adapter: adapter.name };
    const text = JSON.stringify({ ...all, base, results }, null, 1);
    writeFileSync("bench/results/effect.json", `${text}\n`);
  }
}

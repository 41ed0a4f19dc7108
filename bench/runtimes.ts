import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Part } from "./harness.ts";

const root = join(import.meta.dir, "..");
const STEPS = 8;
const ROUNDS = 3;

interface Starter {
  start: string[];
  flags: string[];
  rounds: number;
}

/** The same training under Bun and under Deno, by turns, so that a busy machine is so for all of them. */
export const runtimesPart: Part = {
  about: "a training step under Deno, with Dawn and with its own WebGPU, beside Bun",
  run: async (bench) => {
    const folder = mkdtempSync(join(tmpdir(), "rlexplore-bench-"));
    const deno = [join(root, "node_modules/.bin/deno"), "run", "-A"];
    const starters: Record<string, Starter> = {
      bun: { start: [process.execPath], flags: [], rounds: ROUNDS },
      "Deno, Dawn": { start: deno, flags: [], rounds: ROUNDS },
      // so much slower that once tells it
      "Deno, native": { start: deno, flags: ["--gpu-backend", "native"], rounds: 1 },
    };
    const seconds: Record<string, number[]> = {};
    try {
      for (let round = 0; round < ROUNDS; round++) {
        for (const [name, { start, flags, rounds }] of Object.entries(starters)) {
          if (round >= rounds) continue;
          const run = join(folder, `${name}-${round}`);
          const gpu = bench.request ? ["--gpu", bench.request] : [];
          const data = "examples/arithmetic.jsonl --quiet --max-steps".split(" ");
          const all = ["main.ts", "train", ...data, `${STEPS}`, "--output-dir", run];
          const command = [...start, ...all, ...gpu, ...flags];
          const { exited } = Bun.spawn(command, { cwd: root, stdout: "ignore", stderr: "inherit" });
          if ((await exited) !== 0) throw new Error(`${command.join(" ")} failed`);
          seconds[name] = [...(seconds[name] ?? []), fastestStep(run)];
        }
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    const ratio = (name: string) =>
      median(seconds[name].map((value, round) => value / seconds.bun[round]));
    bench.show({
      title: "Runtimes: the fastest training step of a run, embedded model",
      rows: [
        ...Object.keys(starters).map((name) => ({
          name,
          value: median(seconds[name]) * 1000,
          unit: "ms",
        })),
        { name: "Deno, Dawn: times as long as Bun", value: ratio("Deno, Dawn"), unit: "" },
        { name: "Deno, native: times as long as Bun", value: ratio("Deno, native"), unit: "" },
      ],
    });
  },
};

function fastestStep(run: string): number {
  const lines = readFileSync(join(run, "metrics.jsonl"), "utf8").trim().split("\n");
  const steps = lines.map((line) => JSON.parse(line)).filter(({ loss }) => loss !== undefined);
  return Math.min(...steps.map((step) => step.seconds));
}

const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

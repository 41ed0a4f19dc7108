import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Gpu } from "../lib/gpu/device.ts";
import { PolicyGradient, type UpdateResult } from "../lib/learn.ts";
import type { Completion } from "../lib/model/completion.ts";
import { Sampler } from "../lib/model/generate.ts";
import { Optimizer } from "../lib/model/optimizer.ts";
import { Policy } from "../lib/policy/policy.ts";
import { RunFolder } from "../lib/run/folder.ts";
import { trainSettings } from "../lib/settings/arguments.ts";
import { train } from "../lib/train.ts";
import type { Part } from "./harness.ts";
import { median, type Row, type Section } from "./tables.ts";

const DATA = join(import.meta.dir, "..", "examples", "arithmetic.jsonl");

/** What one step did, and the seconds its parts took. */
const EMPTY_STEP = {
  sampling: 0,
  /** Forward and backward pass. */
  learning: 0,
  optimizer: 0,
  /** From the end of the step before. */
  whole: 0,
  sampledTokens: 0,
  learnedTokens: 0,
  /** Of the process, when the step ended. */
  residentBytes: 0,
};
type StepTimes = typeof EMPTY_STEP;

/** Runs `train` on the examples, with a stopwatch around the calls that make up a step. */
async function timedTraining(steps: number, flags: string[]) {
  const folder = mkdtempSync(join(tmpdir(), "rlexplore-bench-"));
  const times: StepTimes[] = [];
  let step = { ...EMPTY_STEP };
  let ended = 0;
  let gpu: Gpu | undefined;
  const restore = [
    around(process.stdout, "write", () => true), // where the model lies: it is about to be removed
    around(Policy, "open", async (open: () => Promise<Policy>) => {
      const policy = await open();
      gpu = policy.gpu;
      return policy;
    }),
    around(Sampler.prototype, "generate", async (generate: () => Promise<Completion[][]>) => {
      const [seconds, groups] = await timed(generate);
      step.sampling += seconds;
      for (const { tokens } of groups.flat()) step.sampledTokens += tokens.length;
      return groups;
    }),
    around(PolicyGradient.prototype, "update", async (update: () => Promise<UpdateResult>) => {
      const [seconds, result] = await timed(update);
      step.learning += seconds;
      step.learnedTokens += result.tokens;
      return result;
    }),
    around(Optimizer.prototype, "update", async (update: () => Promise<unknown>, optimizer) => {
      // The backward pass may still be running.
      await gpu?.read((optimizer as Optimizer).memory.summary, new Float32Array(1));
      const [seconds, result] = await timed(update);
      step.optimizer += seconds;
      step.learning -= seconds;
      return result;
    }),
    around(RunFolder.prototype, "appendMetrics", (append: () => void) => {
      append();
      const now = performance.now();
      times.push({
        ...step,
        whole: (now - ended) / 1000,
        residentBytes: process.memoryUsage.rss(),
      });
      ended = now;
      step = { ...EMPTY_STEP };
    }),
  ];
  try {
    const output = ["--output-dir", join(folder, "run"), "--max-steps", `${steps}`, "--quiet"];
    await train(trainSettings([DATA, ...output, ...flags], () => ({})));
  } finally {
    for (const undo of restore) undo();
    rmSync(folder, { recursive: true, force: true });
  }
  return { times, gpuBytes: gpu?.allocatedBytes ?? 0 };
}

/** Replaces a method by one that `wrapper` runs; returns the way back. */
function around<Call>(
  owner: object,
  name: string,
  wrapper: (call: Call, self: unknown) => unknown,
): () => void {
  const methods = owner as Record<string, (...args: unknown[]) => unknown>;
  const method = methods[name];
  methods[name] = function (this: unknown, ...args: unknown[]) {
    return wrapper((() => method.apply(this, args)) as Call, this);
  };
  return () => {
    methods[name] = method;
  };
}

async function timed<T>(work: () => Promise<T>): Promise<[seconds: number, result: T]> {
  const start = performance.now();
  const result = await work();
  return [(performance.now() - start) / 1000, result];
}

const adapter = (gpu: string | undefined) => (gpu ? ["--gpu", gpu] : []);

/** A step of GRPO with the defaults for the embedded model: the medians of its parts, and memory. */
async function stepSection(gpu: string | undefined): Promise<Section> {
  const { times, gpuBytes } = await timedTraining(16, adapter(gpu));
  const steps = times.slice(2); // the first compile, and warm the caches
  const middle = (value: (step: StepTimes) => number) => median(steps.map(value));
  const part = (name: string, value: (step: StepTimes) => number): Row => ({
    name,
    value: 1000 * middle(value),
    unit: "ms",
  });
  const rest = (s: StepTimes) => s.whole - s.sampling - s.learning - s.optimizer;
  return {
    title: `A training step: ${middle((s) => s.sampledTokens).toFixed(0)} tokens in 128 completions`,
    rows: [
      part("whole step", (s) => s.whole),
      part("sampling", (s) => s.sampling),
      part("forward and backward pass", (s) => s.learning),
      part("optimizer", (s) => s.optimizer),
      part("the rest", rest),
      { name: "sampling", value: middle((s) => s.sampledTokens / s.sampling), unit: "tokens/s" },
      { name: "learning", value: middle((s) => s.learnedTokens / s.learning), unit: "tokens/s" },
      { name: "planned GPU memory", value: gpuBytes / 2 ** 20, unit: "MiB" },
      {
        name: "largest resident memory of the process",
        value: process.resourceUsage().maxRSS / 1024,
        unit: "MiB",
      },
    ],
  };
}

/** Whether a long run slows down: 320 short steps, compared around step 30 and step 300. */
async function longRunSection(gpu: string | undefined): Promise<Section> {
  // A model that learns writes longer completions, and its steps take longer for that reason.
  const still = ["--learning-rate", "0", "--explore", "none"];
  const short = ["--prompts-per-step", "4", "--num-generations", "4", "--save-steps", "1000"];
  const { times } = await timedTraining(320, [...still, ...short, ...adapter(gpu)]);
  const around = (step: number) => ({
    name: `median of steps ${step - 15} to ${step + 15}`,
    value: 1000 * median(times.slice(step - 16, step + 15).map(({ whole }) => whole)),
    unit: "ms",
  });
  const [early, late] = [around(30), around(300)];
  const growth = times[299].residentBytes - times[29].residentBytes;
  return {
    title: "A long run of short steps: 16 completions each",
    rows: [
      early,
      late,
      { name: "late over early", value: late.value / early.value, unit: "" },
      { name: "resident memory gained in between", value: growth / 2 ** 20, unit: "MiB" },
    ],
  };
}

export const stepPart: Part = {
  about: "a training step with the defaults: its parts, rates and memory",
  quick: true,
  run: async (bench) => bench.show(await stepSection(bench.request)),
};

export const longRunPart: Part = {
  about: "whether 320 steps slow down",
  run: async (bench) => bench.show(await longRunSection(bench.request)),
};

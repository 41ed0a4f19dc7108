import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { train } from "../beyond/commands/train.ts";
import { OpenPolicy } from "../beyond/opening/policy.ts";
import { SystemGpu } from "../beyond/platform/gpu.ts";
import { RunFolder } from "../beyond/runs/folder.ts";
import type { Profile } from "../beyond/scheduling/profile.ts";
import { ScheduledCommands } from "../beyond/scheduling/scheduled-commands.ts";
import { trainSettings } from "../beyond/settings/arguments.ts";
import type { LossSums } from "../lib/explore/loss.ts";
import type { MemoryPart } from "../lib/gpu/memory.ts";
import { PolicyGradient } from "../lib/learn.ts";
import type { Completion, GenerationRequest } from "../lib/model/completion.ts";
import { Sampler } from "../lib/model/generate.ts";
import { Optimizer } from "../lib/model/optimizer.ts";

/** Seconds that the parts of one training step took, and what it did. */
const EMPTY_STEP = {
  sampling: 0,
  /** Judging, rewards, counts and advantages: from the last sample to the first update. */
  scoring: 0,
  /** Forward and backward pass. */
  learning: 0,
  optimizer: 0,
  /** From the end of the step before. */
  whole: 0,
  promptTokens: 0,
  sampledTokens: 0,
  learnedTokens: 0,
  /** Of the process, when the step ended. */
  residentBytes: 0,
  /** Buffers, bind groups and pipelines that were created. */
  gpuObjects: 0,
};
export type StepTimes = typeof EMPTY_STEP;

/** What no part accounts for: drawing questions, counting outcomes, the ledger, the display. */
export const rest = ({ whole, sampling, scoring, learning, optimizer }: StepTimes) =>
  whole - sampling - scoring - learning - optimizer;

/** Steps that compile and warm the caches. */
export const WARM_UP = 2;

export interface TimedRun {
  times: StepTimes[];
  /** Seconds until the model was on the device. */
  loading: number;
  /** Bytes that were allocated on the device. */
  allocated: Map<MemoryPart, number>;
  /** Where the GPU's time went from the third step on, if that was asked for and it can tell. */
  profile?: Profile;
}

export interface TimedRunOptions {
  /**
   * No token ends a completion: all get --max-completion-length tokens, and count as ended, so that a
   * reward is asked for.
   */
  fixedLength?: boolean;
  /** Takes timestamps of the GPU's passes. */
  profiled?: boolean;
}

/** Runs `rlexplore train` with these arguments, and a stopwatch around the calls that make up a step. */
export async function timedTraining(
  args: string[],
  { fixedLength = false, profiled = false }: TimedRunOptions = {},
): Promise<TimedRun> {
  const folder = mkdtempSync(join(tmpdir(), "rlexplore-bench-"));
  const times: StepTimes[] = [];
  const allocated: TimedRun["allocated"] = new Map();
  let step = { ...EMPTY_STEP };
  let [stepEnded, samplingEnded, loading] = [0, 0, 0];
  let gpu: SystemGpu | undefined;
  let profile: Profile | undefined;
  const restore = [
    around(process.stdout, "write", () => true), // where the model lies: it is about to be removed
    around(SystemGpu.prototype, "allocate", (allocate, self, [part]) => {
      const before = (self as SystemGpu).allocatedBytes;
      const tensor = allocate();
      const bytes = (self as SystemGpu).allocatedBytes - before;
      allocated.set(part as MemoryPart, (allocated.get(part as MemoryPart) ?? 0) + bytes);
      return tensor;
    }),
    around(OpenPolicy, "open", async (open) => {
      const [seconds, policy] = await timed(open as () => Promise<OpenPolicy>);
      loading = seconds;
      gpu = policy.gpu;
      for (const create of ["createBuffer", "createBindGroup", "createComputePipeline"]) {
        around(gpu.device, create, (call) => {
          step.gpuObjects++;
          return call();
        });
      }
      if (fixedLength) (policy as { stopIds: ReadonlySet<number> }).stopIds = new Set();
      return policy;
    }),
    around(Sampler.prototype, "generate", async (generate, _, [, requests]) => {
      const [seconds, groups] = await timed(generate as () => Promise<Completion[][]>);
      step.sampling += seconds;
      for (const { prompt } of requests as GenerationRequest[]) step.promptTokens += prompt.length;
      for (const completion of groups.flat()) {
        step.sampledTokens += completion.tokens.length;
        if (fixedLength) completion.finished = true;
      }
      samplingEnded = performance.now();
      return groups;
    }),
    around(PolicyGradient.prototype, "gradient", async (gradient) => {
      if (step.learnedTokens === 0) step.scoring = (performance.now() - samplingEnded) / 1000;
      const [seconds, sums] = await timed(gradient as () => Promise<LossSums>);
      step.learning += seconds;
      step.learnedTokens += sums.tokens;
      return sums;
    }),
    around(PolicyGradient.prototype, "step", async (move) => {
      const [seconds, norm] = await timed(move as () => Promise<number | null>);
      step.learning += seconds;
      return norm;
    }),
    around(Optimizer.prototype, "update", async (update, optimizer) => {
      // The backward pass may still be running.
      await gpu?.read((optimizer as Optimizer).memory.summary, new Float32Array(1));
      const [seconds, result] = await timed(update as () => Promise<number | null>);
      step.optimizer += seconds;
      step.learning -= seconds;
      return result;
    }),
    around(RunFolder.prototype, "appendMetrics", (append) => {
      append();
      const now = performance.now();
      const residentBytes = process.memoryUsage.rss();
      times.push({ ...step, whole: (now - stepEnded) / 1000, residentBytes });
      stepEnded = now;
      step = { ...EMPTY_STEP };
      if (profiled && times.length === WARM_UP && gpu?.device.features.has("timestamp-query")) {
        gpu.scheduled?.startProfile("passes");
      }
    }),
    around(ScheduledCommands.prototype, "readProfile", async (read) => {
      profile = (await read()) as Profile | undefined; // and nobody prints it
    }),
  ];
  try {
    const output = ["--output-dir", join(folder, "run"), "--quiet"];
    await train(trainSettings([...args, ...output], () => ({})));
  } finally {
    for (const undo of restore) undo();
    rmSync(folder, { recursive: true, force: true });
  }
  return { times, loading, allocated, profile };
}

/** Replaces a method by one that `wrapper` runs; returns the way back. */
export function around(
  owner: object,
  name: string,
  wrapper: (call: () => unknown, self: unknown, args: unknown[]) => unknown,
): () => void {
  const methods = owner as Record<string, (...args: unknown[]) => unknown>;
  const method = methods[name];
  methods[name] = function (this: unknown, ...args: unknown[]) {
    return wrapper(() => method.apply(this, args), this, args);
  };
  return () => {
    methods[name] = method;
  };
}

/** Wall-clock seconds that `work` took, and what it gave. */
export async function timed<T>(work: () => Promise<T>): Promise<[seconds: number, result: T]> {
  const start = performance.now();
  const result = await work();
  return [(performance.now() - start) / 1000, result];
}

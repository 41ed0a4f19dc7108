import { afterAll, expect, test } from "bun:test";
import { Gpu } from "../lib/gpu/device.ts";
import { MEMORY_PARTS, type MemoryPlanner } from "../lib/gpu/memory.ts";
import { formatBytes } from "../lib/memory-plan.ts";
import { openEmbeddedModel } from "../lib/model/embedded.ts";
import { Policy } from "../lib/policy.ts";

const gpu = await Gpu.open();
afterAll(() => gpu.destroy());

const optimizer = {
  adamBeta1: 0.9,
  adamBeta2: 0.999,
  adamEpsilon: 1e-8,
  weightDecay: 0,
  maxGradNorm: 1,
};
const sampling = { rows: 8, samplesPerPrompt: 4, maxPromptTokens: 12, maxNewTokens: 20 };
const learning = { microBatchTokens: 100, optimizer, reference: true };

test("the memory plan is what is then allocated, to the byte", async () => {
  const model = await openEmbeddedModel({ weights: false });
  const before = gpu.allocatedBytes;
  let plan: MemoryPlanner | undefined;
  await Policy.open(gpu, model, { sampling, learning }, (planned) => {
    plan = planned;
  });
  expect(gpu.allocatedBytes - before).toBe(plan?.total as number);
  expect(new Set((plan as MemoryPlanner).bytes.keys())).toEqual(new Set(MEMORY_PARTS));
});

test("a run beyond the adapter's limits is refused with what makes it fit", async () => {
  const model = await openEmbeddedModel({ weights: false });
  const greedy = { ...learning, microBatchTokens: 50_000_000, longestSequence: 40 };
  const learn = Policy.open(gpu, model, { learning: greedy });
  await expect(learn).rejects.toThrow(
    /in one piece.*it fits with .*--micro-batch-tokens \d+; rlex/,
  );
  const many = { ...sampling, rows: 50_000_000 };
  const sample = Policy.open(gpu, model, { sampling: many });
  await expect(sample).rejects.toThrow(/it fits with --sampling-batch-size \d+$/);
  const wide = { ...sampling, rows: 4, maxNewTokens: 500_000_000 };
  const long = Policy.open(gpu, model, { sampling: wide });
  await expect(long).rejects.toThrow(/lower --max-completion-length/);
});

test("bytes are shown in units a person reads", () => {
  expect([0, 1023, 2048, 3.5 * 2 ** 20, 2 ** 31].map(formatBytes)).toEqual([
    "0 B",
    "1023 B",
    "2 KiB",
    "3.5 MiB",
    "2.0 GiB",
  ]);
});

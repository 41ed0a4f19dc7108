import { afterAll, expect, test } from "bun:test";
import { LORA_TARGETS } from "../../beyond/lora/lora.ts";
import { formatBytes } from "../../beyond/memory/memory-plan.ts";
import { openEmbeddedModel } from "../../beyond/models/embedded.ts";
import { OpenPolicy } from "../../beyond/opening/policy.ts";
import { baseFormats } from "../../beyond/storage/base-formats.ts";
import { MEMORY_PARTS, type MemoryPlanner } from "../../lib/gpu/memory.ts";
import { borrowGpu } from "../kernels.ts";

const gpu = await borrowGpu();
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
  await OpenPolicy.open(gpu, model, { sampling, learning }, (planned) => {
    plan = planned;
  });
  expect(gpu.allocatedBytes - before).toBe(plan?.total as number);
  expect(new Set((plan as MemoryPlanner).bytes.keys())).toEqual(new Set(MEMORY_PARTS));
});

const lora = { rank: 4, alpha: 8, targets: LORA_TARGETS };
const bytes8 = { ...optimizer, optim: "adamw_8bit" as const };
test.each([
  { sampling },
  // caches so long that attention splits them
  { sampling: { ...sampling, rows: 40, maxPromptTokens: 120 } },
  { sampling: { ...sampling, rows: 40, maxPromptTokens: 120, cacheTokens: 300 } },
  { learning: { ...learning, reference: false } },
  { learning: { ...learning, gradientCheckpointing: true, optimizer: bytes8 } },
  { sampling, learning: { ...learning, lora, optimizer: bytes8 } },
  { sampling: { ...sampling, rows: 3 }, learning: { ...learning, lora, microBatchTokens: 37 } },
])("the same for %j", async (needs) => {
  const model = await openEmbeddedModel({ weights: false });
  const before = gpu.allocatedBytes;
  const totals: number[] = [];
  await OpenPolicy.open(gpu, model, needs, ({ total }) => totals.push(total));
  expect([gpu.allocatedBytes - before]).toEqual(totals);
});

test.each(["auto", "f16", "q4_1"] as const)(
  "the same with a frozen base in %s, in the bytes of that format",
  async (dtype) => {
    const model = await openEmbeddedModel();
    const formats = baseFormats({ baseDtype: dtype, dtype: "f32" }, model.tensors);
    const needs = { sampling, learning: { ...learning, lora }, formats };
    const before = gpu.allocatedBytes;
    let plan: MemoryPlanner | undefined;
    const policy = await OpenPolicy.open(gpu, model, needs, (planned) => {
      plan = planned;
    });
    expect(gpu.allocatedBytes - before).toBe(plan?.total as number);
    const bytes = { auto: 4, f16: 2, q4_1: 20 / 32 }[dtype];
    const { head, layers } = policy.weights;
    const [{ tensor }] = layers[0].qkv.blocks;
    expect(tensor.length * 4).toBe(layers[0].qkv.rows * layers[0].qkv.columns * bytes);
    const kept = { auto: "f32 f32", f16: "f16 f16", q4_1: "q8_0 f16" }[dtype];
    expect(`${head.format} ${layers[0].down.format}`).toBe(kept);
    expect(policy.reference?.delta).toBe(undefined);
  },
);

test("a run beyond the adapter's limits is refused with what makes it fit", async () => {
  const model = await openEmbeddedModel({ weights: false });
  const greedy = { ...learning, microBatchTokens: 50_000_000, longestSequence: 40 };
  const learn = OpenPolicy.open(gpu, model, { learning: greedy });
  await expect(learn).rejects.toThrow(
    /in one piece.*it fits with .*--micro-batch-tokens \d+; rlex/,
  );
  const many = { ...sampling, rows: 50_000_000 };
  const sample = OpenPolicy.open(gpu, model, { sampling: many });
  await expect(sample).rejects.toThrow(/it fits with --sampling-batch-size \d+$/);
  const wide = { ...sampling, rows: 4, maxNewTokens: 500_000_000 };
  const long = OpenPolicy.open(gpu, model, { sampling: wide });
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

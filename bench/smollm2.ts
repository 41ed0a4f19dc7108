// SmolLM2-135M-Instruct (tests/real/README.md says how to get its file): loading, sampling and learning, to be
// read beside smollm2.py, which does the same in PyTorch; a machine that others use gives ratios only.
//   node scripts/bun.js bench/smollm2.ts $RLEXPLORE_SMOLLM2 [adapter]
import { Gpu } from "../lib/gpu/device.ts";
import { PackedBatch } from "../lib/model/packing.ts";
import { openNamedModel } from "../lib/policy/named-model.ts";
import { Policy } from "../lib/policy/policy.ts";
import cases from "../tests/real/smollm2.json";
import { printSection } from "./tables.ts";

/** Questions, completions of each, tokens in each: smollm2.py has the same. */
const [QUESTIONS, SAMPLES, NEW_TOKENS] = [2, 4, 16];
const MICRO_BATCH_TOKENS = 256;

const [path, adapter] = process.argv.slice(2);
const prompts = cases.cases.slice(0, QUESTIONS).map(({ prompt }) => prompt);
const tokens = QUESTIONS * SAMPLES * NEW_TOKENS;

/** Wall-clock and processor seconds; the latter count every thread, and hardly see what else is running. */
async function timed(work: () => Promise<unknown>) {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { wall: (performance.now() - start) / 1000, cpu: (user + system) / 1e6 };
}

const gpu = await Gpu.open(adapter);
const sampling = {
  rows: QUESTIONS * SAMPLES,
  samplesPerPrompt: SAMPLES,
  maxPromptTokens: Math.max(...prompts.map(({ length }) => length)),
  maxNewTokens: NEW_TOKENS,
};
const optimizer = {
  adamBeta1: 0.9,
  adamBeta2: 0.999,
  adamEpsilon: 1e-8,
  weightDecay: 0,
  maxGradNorm: 1,
};
let policy: Policy | undefined;
const loading = await timed(async () => {
  policy = await Policy.open(gpu, await openNamedModel(path), { sampling });
});
const peakBytes = process.resourceUsage().maxRSS * 1024;
const { sampler, weights } = policy as unknown as Policy;
const requests = prompts.map((prompt, slot) => ({ prompt, samples: SAMPLES, slot }));
let completions: number[][][] = [];
const sample = () =>
  timed(async () => {
    const groups = await sampler.generate(weights, requests, {
      temperature: 1,
      topK: 0,
      topP: 1,
      minP: 0,
      maxNewTokens: NEW_TOKENS,
      stopIds: new Set(), // every completion has all its tokens
      seed: [1, 0],
      step: 0,
    });
    completions = groups.map((group) => group.map(({ tokens }) => tokens));
  });
await sample(); // compiles
const sampled = await sample();

const learning = { microBatchTokens: MICRO_BATCH_TOKENS, optimizer, reference: false };
const learned = await Policy.open(gpu, await openNamedModel(path), { learning });
const batch = new PackedBatch(MICRO_BATCH_TOKENS);
for (const [i, prompt] of prompts.entries()) batch.add(prompt, completions[i]);
const logprobs = new Float32Array(tokens);
const learn = () =>
  timed(async () => {
    await learned.learner.logprobs(learned.weights, batch, 1, logprobs, new Float32Array(tokens));
    const dLogprobs = new Float32Array(tokens).fill(-1 / tokens);
    learned.learner.backward(learned.weights, learned.gradients, batch, 1, dLogprobs);
    await gpu.read(learned.weights.finalNorm, new Float32Array(1)); // waits
  });
await learn();
const taught = await learn();

const rates = (name: string, { wall, cpu }: { wall: number; cpu: number }) => [
  { name, value: tokens / wall, unit: "tokens/s" },
  { name: `${name}, by processor time`, value: tokens / cpu, unit: "tokens/s" },
];
printSection({
  title: `SmolLM2-135M on ${gpu.found.name}: ${QUESTIONS} questions x ${SAMPLES} completions x ${NEW_TOKENS} tokens`,
  rows: [
    { name: "loading", value: loading.wall, unit: "s" },
    { name: "loading, processor time", value: loading.cpu, unit: "s" },
    { name: "peak memory of the process after it", value: peakBytes / 2 ** 20, unit: "MiB" },
    ...rates("sampling", sampled),
    ...rates("learning, forward and backward", taught),
  ],
});
gpu.destroy();

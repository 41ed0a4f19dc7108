import { tensorSources } from "../beyond/models/safetensors.ts";
import type { OpenPolicy } from "../beyond/opening/policy.ts";
import type { SystemGpu } from "../beyond/platform/gpu.ts";
import { PackedBatch } from "../lib/model/packing.ts";
import type { Part } from "./harness.ts";
import { openBenchPolicy, parameterCount } from "./models.ts";
import type { Row } from "./tables.ts";
import { bestOfEach, learnFrom, learningNeeds, sampleTokens, someTokens } from "./throughput.ts";

const PROMPTS = [16, 64, 256, 1024];
const SAMPLES = 8;
const COMPLETION = 64;
/** Holds a whole group with the longest prompt, and two of its sequences that are on their own. */
const MICRO_BATCH = 2304;

/** Tokens a forward pass computes: the last of a completion is predicted only. */
const sharedTokens = (prompt: number) => prompt + SAMPLES * (COMPLETION - 1);
const unsharedTokens = (prompt: number) => SAMPLES * (prompt + COMPLETION - 1);

/** Keys that all queries of a sequence see: those of `before` tokens, and its own up to each. */
const pairs = (tokens: number, before = 0) => tokens * before + (tokens * (tokens + 1)) / 2;
const sharedPairs = (prompt: number) => pairs(prompt) + SAMPLES * pairs(COMPLETION - 1, prompt);
const unsharedPairs = (prompt: number) => SAMPLES * pairs(prompt + COMPLETION - 1);

/**
 * What it gains to compute a prompt once for its completions, in learning and in sampling: against
 * the same work with a copy of the prompt for each, as most frameworks do it. Both must agree.
 */
export const prefixPart: Part = {
  about: "what sharing a prompt among its completions gains, by the length of the prompt",
  async run(bench) {
    const model = bench.isSoftware ? "random-1M" : "random-494M";
    const rows: Row[] = [];
    for (const prompt of PROMPTS) {
      const learning = await bench.withGpu((gpu) => learnBothWays(gpu, model, prompt));
      const sampling = await bench.withGpu((gpu) => sampleBothWays(gpu, model, prompt));
      const name = `prompts of ${prompt}`;
      const expected = {
        "tokens, times": unsharedTokens(prompt) / sharedTokens(prompt),
        "query-key pairs, times": unsharedPairs(prompt) / sharedPairs(prompt),
      };
      rows.push({ name, prompt, ...expected, ...learning, ...sampling });
    }
    const title = `Prefix sharing, ${model}: ${SAMPLES} completions of ${COMPLETION} tokens, with a copy of the prompt each over sharing it`;
    bench.show({ title, rows });
  },
};

async function learnBothWays(gpu: SystemGpu, model: string, prompt: number): Promise<object> {
  const policy = await openBenchPolicy(gpu, model, learningNeeds(MICRO_BATCH));
  const question = someTokens(policy, prompt);
  const completions = Array.from({ length: SAMPLES }, (_, i) =>
    someTokens(policy, COMPLETION, i + 1),
  );
  const shared = new PackedBatch(MICRO_BATCH);
  shared.add(question, completions);
  const unshared = [new PackedBatch(MICRO_BATCH)];
  for (const completion of completions) {
    if (!unshared[unshared.length - 1].fits(prompt, [COMPLETION])) {
      unshared.push(new PackedBatch(MICRO_BATCH));
    }
    unshared[unshared.length - 1].add(question, [completion]);
  }
  const once = learningWay(policy, [shared]);
  const copied = learningWay(policy, unshared);
  await once.work(); // compiles
  const [onceSeconds, copiedSeconds] = await bestOfEach(gpu, [once.work, copied.work]);
  return {
    "learning, times": copiedSeconds / onceSeconds,
    "learning, s": onceSeconds,
    "logprobs differ by": largestDifference(once.logprobs, copied.logprobs),
    // relative to the largest entry of the gradient
    "gradients by": largestDifference(once.gradient, copied.gradient) / largest(once.gradient),
  };
}

/** Every so many entries of a gradient are compared: reading all of a large model's would take memory. */
const COMPARED_ENTRIES = 1 << 20;

async function entriesOfGradient({ gradients, gpu }: OpenPolicy): Promise<number[]> {
  const stride = Math.ceil(parameterCount(gradients.layout) / COMPARED_ENTRIES);
  const entries: number[] = [];
  for (const { data } of tensorSources(gpu, gradients)) {
    const values = await data();
    for (let i = 0; i < values.length; i += stride) entries.push(values[i]);
  }
  return entries;
}

/** Learning from these batches: how long it takes, and what it gave. */
function learningWay(policy: OpenPolicy, batches: readonly PackedBatch[]) {
  const way = {
    logprobs: [] as number[],
    gradient: [] as number[],
    async work() {
      const [seconds, logprobs] = await learnFrom(policy, batches);
      way.logprobs = logprobs;
      if (way.gradient.length === 0) way.gradient = await entriesOfGradient(policy);
      return [seconds, null] as const;
    },
  };
  return way;
}

/** Greedily, so that both ways must write the same. */
async function sampleBothWays(gpu: SystemGpu, model: string, prompt: number): Promise<object> {
  const sampling = {
    rows: SAMPLES,
    samplesPerPrompt: 1, // room for a prompt each
    maxPromptTokens: prompt,
    maxNewTokens: COMPLETION,
  };
  const policy = await openBenchPolicy(gpu, model, { sampling });
  const question = someTokens(policy, prompt);
  const copies = Array<Uint32Array>(SAMPLES).fill(question);
  const once = samplingWay(policy, [question], SAMPLES);
  const copied = samplingWay(policy, copies, 1);
  await once.work(); // compiles
  const [onceSeconds, copiedSeconds] = await bestOfEach(gpu, [once.work, copied.work]);
  const same = once.texts.filter((text, i) => text === copied.texts[i]).length;
  return {
    "sampling, times": copiedSeconds / onceSeconds,
    "sampling, s": onceSeconds,
    "same texts": `${same} of ${SAMPLES}`,
  };
}

const GREEDY = { temperature: 0 };

/** Sampling from these prompts: how long it takes, and what was last written. */
function samplingWay(policy: OpenPolicy, prompts: Uint32Array[], samples: number) {
  const way = {
    texts: [] as string[],
    async work() {
      const [seconds, groups] = await sampleTokens(policy, prompts, samples, COMPLETION, GREEDY);
      way.texts = groups.flat().map(({ tokens }) => tokens.join(" "));
      return [seconds, null] as const;
    },
  };
  return way;
}

const largest = (values: readonly number[]) =>
  values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

const largestDifference = (a: readonly number[], b: readonly number[]) =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);

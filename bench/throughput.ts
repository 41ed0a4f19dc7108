import type { PolicyNeeds } from "../beyond/memory/memory-plan.ts";
import type { OpenPolicy } from "../beyond/opening/policy.ts";
import type { SystemGpu } from "../beyond/platform/gpu.ts";
import { GpuError, UserError } from "../lib/errors.ts";
import type { GenerationSettings } from "../lib/model/completion.ts";
import { PackedBatch } from "../lib/model/packing.ts";
import { timed } from "./stopwatch.ts";

/** Seconds a measurement may be expected to take on a software adapter; longer ones are left out. */
const PATIENCE = 15;

const OPTIMIZER = {
  adamBeta1: 0.9,
  adamBeta2: 0.999,
  adamEpsilon: 1e-8,
  weightDecay: 0,
  maxGradNorm: 1,
};

/** What a policy needs to learn from micro-batches of so many tokens, and nothing else. */
export const learningNeeds = (microBatchTokens: number): PolicyNeeds => ({
  learning: { microBatchTokens, optimizer: OPTIMIZER, reference: false },
});

/** Tokens that mean nothing: all that matters is how many. */
export const someTokens = ({ model }: OpenPolicy, length: number, seed = 1) =>
  Uint32Array.from({ length }, (_, i) => (7 * i + 13 * seed) % model.config.vocabSize);

/** Completes each of `prompts` `samples` times with exactly `length` tokens: seconds, and the completions. */
export function sampleTokens(
  { sampler, weights }: OpenPolicy,
  prompts: readonly ArrayLike<number>[],
  samples: number,
  length: number,
  { temperature = 1, isOver }: Partial<Pick<GenerationSettings, "temperature" | "isOver">> = {},
) {
  const requests = prompts.map((prompt, slot) => ({ prompt, samples, slot }));
  return timed(() =>
    sampler.generate(weights, requests, {
      temperature,
      topK: 0,
      topP: 1,
      minP: 0,
      maxNewTokens: length,
      stopIds: new Set(),
      isOver,
      seed: [1, 0],
      step: 0,
    }),
  );
}

/** Learns from packed batches, forward and backward: seconds, and the log-probabilities of all predictions. */
export function learnFrom(policy: OpenPolicy, batches: readonly PackedBatch[]) {
  const { trainingPass, weights, gradients, gpu } = policy;
  return timed(async () => {
    const all: Float32Array[] = [];
    gradients.clear(gpu);
    const predictions = batches.reduce((sum, batch) => sum + batch.predictions, 0);
    for (const batch of batches) {
      const logprobs = new Float32Array(batch.predictions);
      await trainingPass.logprobs(weights, batch, 1, logprobs, new Float32Array(batch.predictions));
      const dLogprobs = new Float32Array(batch.predictions).fill(-1 / predictions);
      trainingPass.backward(weights, gradients, batch, 1, dLogprobs);
      all.push(logprobs);
    }
    await policy.settle();
    return all.flatMap((logprobs) => [...logprobs]);
  });
}

/** One batch of `tokens` tokens in sequences of `length`: what fine-tuning on single texts would pack. */
export function batchOf(policy: OpenPolicy, tokens: number, length: number): PackedBatch {
  const batch = new PackedBatch(tokens);
  for (let i = 0; i < tokens / length; i++) {
    const text = someTokens(policy, length + 1, i); // the last is predicted and not computed
    batch.add(text.subarray(0, 1), [text.subarray(1)]);
  }
  return batch;
}

/** The least seconds that `work` measures in a few tries; in a single one if it takes long. */
export async function bestOf(gpu: SystemGpu, work: () => Promise<readonly [number, unknown]>) {
  const [best] = await bestOfEach(gpu, [work]);
  return best;
}

/** The same of several things to compare, which take turns: what else the machine does falls on all of them. */
export async function bestOfEach(
  gpu: SystemGpu,
  works: readonly (() => Promise<readonly [number, unknown]>)[],
): Promise<number[]> {
  const best = works.map(() => Number.POSITIVE_INFINITY);
  const began = performance.now();
  for (let tries = gpu.isSoftware ? 3 : 5; tries > 0; tries--) {
    for (const [w, work] of works.entries()) best[w] = Math.min(best[w], (await work())[0]);
    if (performance.now() - began > 4000) break;
  }
  return best;
}

/** What `work` gives; null if the adapter cannot hold what it needs. */
export async function ifItFits<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UserError || error instanceof GpuError) return null;
    throw error;
  }
}

/**
 * Remembers how long measurements took, to leave out those that would take too long. Seconds are expected
 * to grow with the product of the sizes, to the power of `exponent`.
 */
export class Patience {
  private readonly taken: { sizes: readonly number[]; seconds: number }[] = [];

  constructor(
    private readonly isSoftware: boolean,
    private readonly exponent = 1,
  ) {}

  allows(...sizes: number[]): boolean {
    if (!this.isSoftware) return true;
    return this.taken.every(({ sizes: known, seconds }) => {
      if (known.some((n, i) => n > sizes[i])) return true; // tells nothing of what is smaller in one way
      const ratio = sizes.reduce((product, n, i) => (product * n) / known[i], 1);
      return seconds * ratio ** this.exponent < PATIENCE;
    });
  }

  note(seconds: number, ...sizes: number[]): void {
    this.taken.push({ sizes, seconds });
  }
}

import { PackedBatch } from "../../lib/model/packing.ts";
import type { Example } from "../models/lesson.ts";
import type { OpenPolicy } from "./policy.ts";

/** Means over the M tokens that completions consist of. */
export interface NextTokenSums {
  /** -1/M sum of log p(token | what precedes it), in nats. */
  loss: number;
  /** Of the predicting distributions, in nats. */
  entropy: number;
  /** M. */
  tokens: number;
}

/** The loss of next-token prediction on the completions of examples, in micro-batches. */
export class NextToken {
  private readonly batch: PackedBatch;
  private readonly logprobs: Float32Array;
  private readonly entropies: Float32Array;
  private readonly dLogprobs: Float32Array;

  constructor(
    private readonly policy: OpenPolicy,
    microBatchTokens: number,
  ) {
    this.batch = new PackedBatch(microBatchTokens);
    this.logprobs = new Float32Array(microBatchTokens);
    this.entropies = new Float32Array(microBatchTokens);
    this.dLogprobs = new Float32Array(microBatchTokens);
  }

  /** Leaves the gradient of the loss in `policy.gradients`. */
  async gradient(examples: readonly Example[]): Promise<NextTokenSums> {
    const { batch, dLogprobs } = this;
    const { gpu, weights, gradients, trainingPass } = this.policy;
    gradients.clear(gpu);
    return this.over(examples, (tokens) => {
      dLogprobs.fill(-1 / tokens, 0, batch.predictions);
      trainingPass.backward(weights, gradients, batch, 1, dLogprobs);
    });
  }

  /** Learns nothing. `accuracy` is the share of the tokens that were the likeliest. */
  async measure(examples: readonly Example[]): Promise<NextTokenSums & { accuracy: number }> {
    let hits = 0;
    const sums = await this.over(examples, async () => {
      hits += await this.policy.likeliestTargets(this.batch.predictions);
    });
    return { ...sums, accuracy: hits / sums.tokens };
  }

  /** @param each is called with M after the forward pass of a micro-batch */
  private async over(
    examples: readonly Example[],
    each: (tokens: number) => void | Promise<void>,
  ): Promise<NextTokenSums> {
    const { batch, logprobs, entropies } = this;
    const tokens = examples.reduce((sum, { completion }) => sum + completion.length, 0);
    const sums = { loss: 0, entropy: 0, tokens };
    const pass = async () => {
      const { trainingPass, weights } = this.policy;
      await trainingPass.logprobs(weights, batch, 1, logprobs, entropies);
      for (let m = 0; m < batch.predictions; m++) {
        sums.loss -= logprobs[m] / tokens;
        sums.entropy += entropies[m] / tokens;
      }
      await each(tokens);
      batch.clear();
    };
    for (const { prompt, completion } of examples) {
      if (!batch.fits(prompt.length, [completion.length])) await pass();
      batch.add(prompt, [completion]);
    }
    await pass();
    return sums;
  }
}

import { type ExploreTokens, writeTokenAdvantages } from "./explore/advantages.ts";
import {
  type LossSettings,
  type LossSums,
  lossNormalizer,
  newLossSums,
  policyLoss,
} from "./explore/loss.ts";
import { PackedBatch } from "./model/packing.ts";
import type { Policy } from "./policy.ts";
import type { Earned } from "./rewards.ts";
import type { Group, JudgedCompletion } from "./rollout.ts";

/** A group with what its completions are worth. */
export interface ScoredGroup extends Group {
  /** r_i of each completion, and its parts [n]. */
  earned: Earned[];
  /** A_i of each completion [n]. */
  advantages: Float64Array;
  /** c B_i of each completion [n]. */
  exploration: Float64Array;
  /** c B_it of each token [n][L_i], where a bonus tells tokens apart; of what is left out undefined. */
  tokenExploration?: readonly (Float64Array | undefined)[];
  /** False if nothing is to be learned from it: its total signal is zero throughout. */
  hasSignal: boolean;
}

export interface LearnSettings extends LossSettings {
  exploreTokens: ExploreTokens;
  maskTruncatedCompletions: boolean;
  /** Of the softmax the log-probabilities are of: that of sampling. */
  temperature: number;
}

export interface UpdateResult extends LossSums {
  /** Before clipping; null if the loss or a gradient was not finite, and then nothing was changed. */
  gradNorm: number | null;
}

/** A completion on its way into a micro-batch. */
export interface Item {
  prompt: number[];
  completion: Pick<JudgedCompletion, "tokens" | "logprobs" | "answerStart">;
  advantage: number;
  exploration: number;
  /** [L], where a bonus tells tokens apart. */
  tokenExploration?: ArrayLike<number>;
  /** Tells completions that share a prompt. */
  group: number;
}

/** What moves a policy: the gradient of a loss, and a step along it. */
export interface Learner {
  /** Sums d loss / d weights over these completions, for the step that comes. */
  gradient(items: readonly Item[], normalizer: number): Promise<LossSums>;
  /** Moves the weights; returns the gradient's norm, or null if it was not finite: then nothing moved. */
  step(learningRate: number, updateNumber: number): Promise<number | null>;
}

/** One update of the weights from scored groups. `updateNumber` counts updates of the run from 1. */
export async function update(
  learner: Learner,
  groups: readonly ScoredGroup[],
  settings: LearnSettings,
  learningRate: number,
  updateNumber: number,
): Promise<UpdateResult> {
  const isLeftOut = ({ paid, finished }: JudgedCompletion) =>
    paid === null || (settings.maskTruncatedCompletions && !finished);
  const lengths = groups.flatMap(({ completions }) =>
    completions.map((completion) => (isLeftOut(completion) ? 0 : completion.tokens.length)),
  );
  const normalizer = lossNormalizer(lengths, settings);
  const items = groups.flatMap((group, g) =>
    // Under a KL penalty a group without signal is still pulled towards the reference policy.
    !group.hasSignal && settings.beta === 0
      ? []
      : group.completions.flatMap((completion, i): Item[] =>
          isLeftOut(completion)
            ? []
            : [
                {
                  prompt: group.question.prompt,
                  completion,
                  advantage: group.advantages[i],
                  exploration: group.exploration[i],
                  tokenExploration: group.tokenExploration?.[i],
                  group: g,
                },
              ],
        ),
  );
  const sums = await learner.gradient(items, normalizer);
  if (!Number.isFinite(sums.loss)) return { ...sums, gradNorm: null };
  return { ...sums, gradNorm: await learner.step(learningRate, updateNumber) };
}

/**
 * The policy gradient on one GPU. Groups are packed into micro-batches of a bounded number of tokens,
 * each prompt computed once for the completions beside it; the gradients of all micro-batches add up
 * before the optimizer moves the weights, so their size changes results by the rounding of sums alone.
 */
export class PolicyGradient implements Learner {
  private readonly batch: PackedBatch;
  private readonly logprobs: Float32Array;
  private readonly entropies: Float32Array;
  private readonly refLogprobs: Float32Array;
  private readonly oldLogprobs: Float32Array;
  private readonly advantages: Float32Array;
  private readonly dLogprobs: Float32Array;

  constructor(
    private readonly policy: Policy,
    microBatchTokens: number,
    private readonly settings: LearnSettings,
  ) {
    const floats = () => new Float32Array(microBatchTokens);
    this.batch = new PackedBatch(microBatchTokens);
    this.logprobs = floats();
    this.entropies = floats();
    this.refLogprobs = floats();
    this.oldLogprobs = floats();
    this.advantages = floats();
    this.dLogprobs = floats();
  }

  /** Leaves the sum in the policy's gradients. */
  async gradient(items: readonly Item[], normalizer: number): Promise<LossSums> {
    const sums = newLossSums();
    this.policy.gradients.clear(this.policy.gpu);
    for (const some of this.microBatches(items)) await this.accumulate(some, normalizer, sums);
    return sums;
  }

  step(learningRate: number, updateNumber: number): Promise<number | null> {
    const { trained, gradients, optimizer } = this.policy;
    return optimizer.update(trained, gradients, learningRate, updateNumber);
  }

  /** Cuts the completions, in order, into batches that fit. */
  private *microBatches(items: readonly Item[]): Generator<Item[]> {
    const { maxTokens } = this.batch;
    let batch: Item[] = [];
    let tokens = 0;
    let predictions = 0;
    for (const item of items) {
      const own = item.completion.tokens.length - 1;
      const added = batch.at(-1)?.group === item.group ? own : own + item.prompt.length;
      if (tokens + added > maxTokens || predictions + own + 1 > maxTokens) {
        yield batch;
        batch = [item];
        tokens = own + item.prompt.length;
        predictions = own + 1;
      } else {
        batch.push(item);
        tokens += added;
        predictions += own + 1;
      }
    }
    if (batch.length > 0) yield batch;
  }

  /** Adds a micro-batch's share of the gradient, and of the sums. */
  private async accumulate(items: readonly Item[], normalizer: number, sums: LossSums) {
    const { policy, settings, batch } = this;
    const { trainingPass, weights, gradients, reference } = policy;
    const { temperature } = settings;
    const offsets = this.pack(items);
    if (reference) {
      await trainingPass.logprobs(reference, batch, temperature, this.refLogprobs, this.entropies);
    }
    await trainingPass.logprobs(weights, batch, temperature, this.logprobs, this.entropies);
    const loss = {
      offsets,
      logprobs: this.logprobs,
      oldLogprobs: this.oldLogprobs,
      refLogprobs: reference ? this.refLogprobs : undefined,
      advantages: this.advantages,
    };
    policyLoss(loss, normalizer, settings, this.dLogprobs, sums);
    trainingPass.backward(weights, gradients, batch, temperature, this.dLogprobs);
  }

  /** Packs the batch, and beside it the old log-probabilities and the advantage of every token. */
  private pack(items: readonly Item[]): Uint32Array {
    const { batch, settings } = this;
    batch.clear();
    const offsets = new Uint32Array(items.length + 1);
    for (let i = 0; i < items.length; ) {
      let end = i + 1;
      while (end < items.length && items[end].group === items[i].group) end++;
      const tokens = items.slice(i, end).map(({ completion }) => completion.tokens);
      batch.add(items[i].prompt, tokens);
      for (; i < end; i++) {
        const { completion, advantage, exploration, tokenExploration } = items[i];
        const { length } = completion.tokens;
        this.oldLogprobs.set(completion.logprobs, offsets[i]);
        const place = { length, answerStart: completion.answerStart };
        const { exploreTokens } = settings;
        writeTokenAdvantages(
          this.advantages,
          offsets[i],
          place,
          advantage,
          exploration,
          exploreTokens,
          tokenExploration,
        );
        offsets[i + 1] = offsets[i] + length;
      }
    }
    return offsets;
  }
}

import type { Gpu } from "./gpu/device.ts";
import type { Sampler } from "./model/generate.ts";
import type { Optimizer } from "./model/optimizer.ts";
import type { WeightGradients, Weights } from "./model/parameters.ts";
import type { Slabs } from "./model/slabs.ts";
import type { TrainingPass } from "./model/training-pass.ts";

/** What the trainer needs of a tokenizer: the text of tokens. */
export interface Tokenizer {
  decode(tokens: readonly number[], special?: boolean): string;
  /** The text without the hidden tokens, and for each token where in it its own text starts, in UTF-16 units. */
  decodeTokens(
    tokens: readonly number[],
    hidden?: ReadonlySet<number>,
  ): { text: string; starts: number[] };
}

/** A language model that can be asked. */
export interface SamplingPolicy {
  readonly tokenizer: Tokenizer;
  /** Tokens that end a completion. */
  readonly stopIds: ReadonlySet<number>;
  /** What a pass through the model reads. */
  readonly weights: Weights;
  readonly sampler: Pick<Sampler, "generate">;
}

/** A language model with what it takes to move it. All of it lies on one GPU. */
export interface Policy extends SamplingPolicy {
  readonly gpu: Gpu;
  /** d loss / d `trained`, summed over micro-batches. */
  readonly gradients: WeightGradients & Slabs;
  readonly trainingPass: Pick<TrainingPass, "logprobs" | "backward">;
  /** What the optimizer moves: all weights, or what was put beside them. */
  readonly trained: Slabs;
  readonly optimizer: Pick<Optimizer, "update">;
  /** The weights training started from, for a KL penalty. */
  readonly reference?: Weights;
}

import type { Learner, LearnSettings } from "../../lib/learn.ts";
import type { SamplingPolicy } from "../../lib/policy.ts";
import type { GradientDtype } from "../cluster/halves.ts";
import type { TuningTable } from "../kernels/variants.ts";
import type { LoraConfig } from "../lora/lora.ts";
import type { AnyTensorSource, StoredTensor, TensorSource } from "../models/safetensors.ts";
import type { Tokenizer } from "../models/tokenizer.ts";

/** What a run keeps of the adapter that it computes on. */
export interface RunAdapter {
  name: string;
  /** Backend and driver version. */
  driver: string;
  kind: string;
}

/** A policy that answers, wherever it lies: on a GPU of this machine, or on those of a cluster. */
export interface AskedPolicy extends SamplingPolicy {
  readonly tokenizer: Tokenizer;
  readonly adapter: RunAdapter;
  /** Which kernels are used. */
  readonly tuning: TuningTable;
  /** Lets go of what it computes on. */
  close(): Promise<void>;
}

/** How the gradient of a step is put together. */
export interface SharedLearning {
  microBatchTokens: number;
  gradientShards: number;
  gradientDtype: GradientDtype;
}

/** ... and one that also learns, and is saved. */
export interface RunPolicy extends AskedPolicy {
  /** What a checkpoint says of the LoRA that is trained; nothing in full fine-tuning. */
  readonly lora: { config: LoraConfig; base: string } | undefined;
  learner(settings: LearnSettings & SharedLearning): Learner;
  /** What is trained and both moments of AdamW, one tensor at a time, to be written to files. */
  sources(): Promise<{ weights: TensorSource[]; moments: AnyTensorSource[] }>;
  /** Puts back what a checkpoint holds that was saved after `updates` updates. */
  restore(
    weights: Map<string, StoredTensor>,
    moments: Map<string, StoredTensor>,
    updates: number,
  ): Promise<void>;
}

import { attentionChoice } from "../../beyond/kernels/attention-choice.ts";
import { makeOps } from "../../beyond/kernels/ops.ts";
import { readTensor, type StoredTensor } from "../../beyond/models/safetensors.ts";
import type { SystemGpu } from "../../beyond/platform/gpu.ts";
import { PipelinedMemory } from "../../beyond/scheduling/pipelined-memory.ts";
import { PipelinedSampler } from "../../beyond/scheduling/pipelined-sampler.ts";
import { Decoder } from "../../lib/model/decoder.ts";
import {
  AdamwMoments,
  type AdamwSettings,
  Optimizer,
  OptimizerMemory,
} from "../../lib/model/optimizer.ts";
import { ParameterLayout, Parameters } from "../../lib/model/parameters.ts";
import type { Slabs } from "../../lib/model/slabs.ts";
import { TrainingMemory, TrainingPass } from "../../lib/model/training-pass.ts";
import type { Policy, SamplingPolicy } from "../../lib/policy.ts";
import type { EmbeddedModel } from "./model.ts";
import { LONGEST_COMPLETION, LONGEST_PROMPT } from "./settings.ts";

/** Those that `train` has by default, and as many prompts as the smallest groups leave room for. */
const MICRO_BATCH_TOKENS = 4096;
const ROWS = 128;
const SMALLEST_GROUP = 4;

/** Both moments of AdamW, which a kept run has to bring back. */
class KeptMoments extends AdamwMoments {
  get both(): readonly Slabs[] {
    return [this.first, this.second];
  }
}

/** A model that learns. */
export interface LearningPolicy extends Policy {
  readonly weights: Parameters;
  readonly trained: Parameters;
  readonly sampler: PipelinedSampler;
  readonly trainingPass: TrainingPass;
  readonly moments: readonly Slabs[];
}

/**
 * What all models on one GPU share: kernels, activations, caches and room for gradients. They take turns, so that a
 * model more costs its weights and moments alone.
 */
export class Workshop {
  private readonly decoder: Decoder;
  private readonly layout: ParameterLayout;
  private readonly gradients: Parameters;
  private readonly sampling: PipelinedMemory;
  private readonly trainingPass: TrainingPass;

  constructor(
    readonly gpu: SystemGpu,
    readonly model: EmbeddedModel,
  ) {
    const { config } = model;
    const { variants } = gpu;
    const { numHeads: heads, numKeyValueHeads: kvHeads, headDim } = config;
    const attention = attentionChoice(variants, { heads, kvHeads, headDim, dtype: "f32" });
    const ops = makeOps(gpu, headDim, attention);
    const { readEvery, splitQueries } = variants;
    const positions = LONGEST_PROMPT + LONGEST_COMPLETION + readEvery;
    const places = Math.max(positions, config.maxPositionEmbeddings);
    const ropeTable = gpu.allocate("buffers", "RoPE table", places * headDim);
    this.decoder = new Decoder(gpu, config, ropeTable, ops);
    this.layout = new ParameterLayout(config, gpu);
    this.gradients = new Parameters(gpu, this.layout, "gradients", "gradients");
    this.sampling = new PipelinedMemory(gpu, config, {
      rows: ROWS,
      promptSlots: ROWS / SMALLEST_GROUP + 1,
      maxPromptTokens: LONGEST_PROMPT,
      maxNewTokens: LONGEST_COMPLETION,
      readEvery,
      splitQueries,
    });
    const memory = new TrainingMemory(gpu, config, MICRO_BATCH_TOKENS);
    this.trainingPass = new TrainingPass(gpu, this.decoder, memory);
  }

  /** The model as it is in its file, to be asked. */
  async asker(): Promise<SamplingPolicy> {
    const weights = new Parameters(this.gpu, this.layout, "weights", "weights");
    await this.load(weights, this.model.tensors);
    return { ...this.spelling, weights, sampler: this.sampler() };
  }

  /** Room for a model to be trained; `reset` fills it. */
  learner(settings: AdamwSettings): LearningPolicy {
    const { gpu, layout, gradients, trainingPass } = this;
    const weights = new Parameters(gpu, layout, "weights", "weights");
    const moments = new KeptMoments(gpu, layout);
    const memory = new OptimizerMemory(gpu, layout, moments);
    return {
      ...this.spelling,
      gpu,
      weights,
      trained: weights,
      gradients,
      sampler: this.sampler(),
      trainingPass,
      optimizer: new Optimizer(gpu, this.decoder.ops, memory, settings),
      moments: moments.both,
    };
  }

  /** Makes it the model as it is in its file. */
  async reset({ weights, moments }: LearningPolicy): Promise<void> {
    await this.load(weights, this.model.tensors);
    for (const slabs of moments) slabs.clear(this.gpu);
  }

  async load(slabs: Slabs, tensors: Map<string, StoredTensor>, prefix = ""): Promise<void> {
    for (const name of slabs.layout.shapes.keys()) {
      slabs.set(this.gpu, name, await readTensor(tensors, prefix + name));
    }
  }

  private get spelling() {
    const { tokenizer, config } = this.model;
    return { tokenizer, stopIds: new Set(config.eosTokenIds) };
  }

  /** One for each model: what it recorded is of that model's weights. */
  private sampler(): PipelinedSampler {
    const { gpu, decoder, sampling } = this;
    if (!gpu.scheduled) throw new Error("the playground's samplers replay what they recorded");
    return new PipelinedSampler(gpu, gpu.scheduled, decoder, sampling);
  }
}

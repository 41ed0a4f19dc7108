import type { Gpu } from "../gpu/device.ts";
import type { Allocator, ElementBytes } from "../gpu/memory.ts";
import { Activations, Gradients } from "./activations.ts";
import type { ModelConfig } from "./config.ts";
import type { Decoder } from "./decoder.ts";
import { asTable, Head, HeadGradients, HeadMemory } from "./head.ts";
import { BatchMemory, type PackedBatch } from "./packing.ts";
import type { WeightGradients, Weights } from "./parameters.ts";

/** Everything the forward and backward pass over a micro-batch of up to `maxTokens` need. */
export class TrainingMemory {
  readonly activations: Activations;
  readonly gradients: Gradients;
  readonly head: HeadMemory;
  readonly headGradients: HeadGradients;
  readonly batch: BatchMemory;

  constructor(
    alloc: Allocator,
    config: ModelConfig,
    readonly maxTokens: number,
    { gradientCheckpointing = false, elementBytes = 4 as ElementBytes } = {},
  ) {
    const keep = gradientCheckpointing ? "inputs" : "everything";
    this.activations = new Activations(alloc, config, maxTokens, keep, elementBytes);
    this.gradients = new Gradients(alloc, config, maxTokens);
    this.head = new HeadMemory(alloc, config, maxTokens, elementBytes);
    this.headGradients = new HeadGradients(alloc, config, maxTokens);
    this.batch = new BatchMemory(alloc, maxTokens, config.vocabSize);
  }
}

/**
 * Log-probabilities of a packed batch, and the gradient of any function of them. In between the
 * caller computes what it wants of those M numbers, on the CPU:
 *
 *   await trainingPass.logprobs(weights, batch, temperature, logprobs, entropies)
 *   ... dLogprobs[m] = d loss / d logprobs[m] ...
 *   trainingPass.backward(weights, gradients, batch, temperature, dLogprobs)
 */
export class TrainingPass {
  private readonly head: Head;

  constructor(
    private readonly gpu: Gpu,
    private readonly decoder: Decoder,
    private readonly memory: TrainingMemory,
  ) {
    this.head = new Head(decoder.ops, decoder.config);
  }

  /** Writes log-probability and entropy of each of the batch's predictions, M of them. */
  async logprobs(
    weights: Weights,
    batch: PackedBatch,
    temperature: number,
    logprobs: Float32Array,
    entropies: Float32Array,
  ): Promise<void> {
    const { activations, head, headGradients, batch: tensors } = this.memory;
    this.gpu.commands.stage = "learning";
    tensors.upload(this.gpu, batch);
    this.decoder.forward(weights, tensors, batch.tokens, activations);
    const rows = batch.predictions;
    this.head.enter(weights, activations.output, tensors.predictionRows, rows, head);
    const predictions = { targets: tensors.targets, rows, temperature };
    this.head.logprobs(weights, predictions, head, headGradients);
    await this.gpu.commands.read(
      [head.logprob, head.entropy],
      [logprobs.subarray(0, rows), entropies.subarray(0, rows)],
    );
  }

  /**
   * Adds to `gradients` what `dLogprobs`[M] pull back to. Must follow `logprobs` over the same batch
   * with the same weights, whose activations it reads.
   */
  backward(
    weights: Weights,
    gradients: WeightGradients,
    batch: PackedBatch,
    temperature: number,
    dLogprobs: Float32Array,
  ): void {
    const { gpu, memory } = this;
    const { activations, gradients: g, headGradients, batch: tensors } = memory;
    const { hiddenSize } = this.decoder.config;
    const predictions = { targets: tensors.targets, rows: batch.predictions, temperature };
    gpu.upload(headGradients.logprob, dLogprobs, 0, batch.predictions);
    gpu.commands.clear(headGradients.gathered);
    this.head.backward(weights, gradients, predictions, memory.head, headGradients, g.partial);
    gpu.commands.clear(g.stream);
    const { tensors: places, distinct } = tensors.predictionPlaces;
    const scatter = { ...places, d_out: headGradients.gathered };
    this.decoder.ops.gather.backward(scatter, asTable(g.stream, hiddenSize), distinct);
    this.decoder.backward(weights, gradients, tensors, batch.tokens, activations, g);
  }
}

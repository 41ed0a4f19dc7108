import type { Allocator, ElementBytes, Tensor } from "../gpu/memory.ts";
import type { ModelConfig } from "./config.ts";
import { F32, type Matrix, type MatrixBlock } from "./matrix.ts";
import type { LogitsBlock } from "./ops/logprob.ts";
import type { Ops } from "./ops.ts";
import { VOCABULARY_BLOCK, type WeightGradients, type Weights } from "./parameters.ts";

/** Tensors of the LM head for up to `maxRows` predictions. */
export class HeadMemory {
  readonly gathered: Tensor;
  readonly normed: Tensor;
  readonly inverseRms: Tensor;
  /** Running log-softmax of each row; see shaders/logprob.wgsl. */
  readonly state: Tensor;
  readonly logprob: Tensor;
  readonly entropy: Tensor;

  constructor(
    alloc: Allocator,
    config: ModelConfig,
    readonly maxRows: number,
    elementBytes: ElementBytes = 4,
  ) {
    const make = (name: string, width: number) =>
      alloc.allocate("activations", name, maxRows * width);
    this.gathered = make("predicting rows", config.hiddenSize);
    const normed = maxRows * config.hiddenSize;
    this.normed = alloc.allocate("activations", "normed predicting rows", normed, elementBytes);
    this.inverseRms = make("rms of predicting rows", 1);
    this.state = make("softmax state", 4);
    this.logprob = make("log-probabilities", 1);
    this.entropy = make("entropies", 1);
  }
}

/** What learning needs of the head beyond that: one block of logits, and gradients. */
export class HeadGradients {
  /** Logits of one vocabulary block of `maxRows` rows, or of more blocks of fewer, and then their gradient. */
  readonly logits: Tensor;
  readonly logprob: Tensor;
  readonly normed: Tensor;
  readonly gathered: Tensor;

  constructor(alloc: Allocator, config: ModelConfig, maxRows: number) {
    const make = (name: string, width: number) =>
      alloc.allocate("activations", name, maxRows * width);
    this.logits = make("block of logits", blockStride(config.vocabSize));
    this.logprob = make("gradient of log-probabilities", 1);
    this.normed = make("gradient of normed rows", config.hiddenSize);
    this.gathered = make("gradient of predicting rows", config.hiddenSize);
  }
}

/** Elements between rows of a logits tensor over the whole vocabulary: a multiple of 4. */
export const logitsStride = (vocabSize: number) => Math.ceil(vocabSize / 4) * 4;
const blockStride = (vocabSize: number) => logitsStride(Math.min(vocabSize, VOCABULARY_BLOCK));

/** What is predicted by rows that entered the head: a token each, by a softmax at a temperature. */
export interface Predictions {
  targets: Tensor;
  rows: number;
  temperature: number;
}

/**
 * The LM head: final norm and vocabulary projection of the rows that predict a token. Learning
 * walks the vocabulary in blocks, so that [M, vocabulary] needs no room; sampling keeps all logits of
 * its few rows, and takes its log-probabilities through the same blocks in the same order.
 */
export class Head {
  constructor(
    private readonly ops: Ops,
    private readonly config: ModelConfig,
  ) {}

  /** Gathers rows of the residual stream and norms them. */
  enter(weights: Weights, hidden: Tensor, index: Tensor, rows: number, m: HeadMemory): void {
    const { hiddenSize, rmsNormEps } = this.config;
    this.ops.gather.forward({ index, out: m.gathered }, asTable(hidden, hiddenSize), rows);
    const norm = { x: m.gathered, w: weights.finalNorm, y: m.normed, inverse_rms: m.inverseRms };
    this.ops.rmsnorm.forward(norm, rows, hiddenSize, rmsNormEps);
  }

  /** logits[rows, logitsStride] over the whole vocabulary, from the rows that entered. */
  logits(weights: Weights, rows: number, logits: Tensor, m: HeadMemory): void {
    const stride = logitsStride(this.config.vocabSize);
    this.ops.linear.forward({ x: m.normed, y: logits }, weights.head, rows, stride);
  }

  /** Log-probabilities and entropies from logits over the whole vocabulary. */
  logprobsOf(
    { head }: Weights,
    logits: Tensor,
    predictions: Predictions,
    { state, logprob, entropy }: Pick<HeadMemory, "state" | "logprob" | "entropy">,
  ): void {
    const tensors = { logits, target_token: predictions.targets, state, logprob, entropy };
    for (const block of head.blocks) {
      const stride = logitsStride(this.config.vocabSize);
      this.ops.logprob.forward(tensors, this.place(block, predictions, stride, block.firstRow));
    }
  }

  /** Log-probabilities and entropies of the rows that entered, block by block. */
  logprobs({ head }: Weights, predictions: Predictions, m: HeadMemory, g: HeadGradients): void {
    const { state, logprob, entropy } = m;
    const { targets, rows } = predictions;
    const tensors = { logits: g.logits, target_token: targets, state, logprob, entropy };
    const { stride, columns } = this.blockPlaces(head, rows, g);
    head.blocks.forEach((block, i) => {
      const product = { x: m.normed, y: g.logits };
      this.ops.linear.forwardBlock(product, head, block, rows, stride, columns[i]);
      this.ops.logprob.forward(tensors, this.place(block, predictions, stride, columns[i]));
    });
  }

  /**
   * From `g.logprob` adds to `g.gathered`, the gradient of the rows that were gathered, and the head's and
   * the final norm's own gradients to `gradients`, if wanted. Logits that `logprobs` had no room for are
   * computed anew, block by block.
   */
  backward(
    { head, finalNorm }: Weights,
    gradients: WeightGradients,
    predictions: Predictions,
    m: HeadMemory,
    g: HeadGradients,
    partial: Tensor,
  ): void {
    const { ops } = this;
    const { logits } = g;
    const { targets, rows } = predictions;
    const { stride, columns, kept } = this.blockPlaces(head, rows, g);
    const softmax = { logits, target_token: targets, state: m.state, d_logprob: g.logprob };
    const product = { dy: logits, x: m.normed, dx: g.normed, partial };
    head.blocks.forEach((block, i) => {
      const column = columns[i];
      if (i >= kept) {
        ops.linear.forwardBlock({ x: m.normed, y: logits }, head, block, rows, stride, column);
      }
      ops.logprob.backward(softmax, this.place(block, predictions, stride, column));
      ops.linear.backwardBlock(product, head, gradients.head, i, rows, stride, column);
    });
    const norm = { x: m.gathered, w: finalNorm, inverse_rms: m.inverseRms };
    const pullBack = { dy: g.normed, dx: g.gathered, dw: gradients.finalNorm, partial };
    ops.rmsnorm.backward({ ...norm, ...pullBack }, rows, this.config.hiddenSize);
  }

  /** Where logits of each block of so many rows begin: the `kept` first in places of their own, the others in the last. */
  private blockPlaces({ blocks }: Matrix, rows: number, { logits }: HeadGradients) {
    const width = blockStride(this.config.vocabSize);
    const places = Math.min(blocks.length, Math.floor(logits.length / (rows * width)));
    const columns = blocks.map((_, i) => Math.min(i, places - 1) * width);
    const kept = places < blocks.length ? places - 1 : places;
    return { stride: places * width, columns, kept };
  }

  private place(
    { firstRow: firstColumn, rows: columns }: MatrixBlock,
    { rows, temperature }: Predictions,
    stride: number,
    offset: number,
  ): LogitsBlock {
    const isLast = firstColumn + columns === this.config.vocabSize;
    return { rows, columns, stride, offset, firstColumn, isLast, temperature };
  }
}

/** A tensor of rows as the one-block matrix that gather and scatter work on. */
export function asTable(tensor: Tensor, columns: number): Matrix {
  const rows = tensor.length / columns;
  return { rows, columns, format: F32.name, blocks: [{ tensor, firstRow: 0, rows }] };
}

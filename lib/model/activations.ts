import type { Allocator, ElementBytes, Tensor } from "../gpu/memory.ts";
import type { ModelConfig } from "./config.ts";
import { softmaxLength } from "./ops/heads.ts";
import { rowPartialLength } from "./ops/kernels.ts";

/** Elements of scratch that any product may use. */
export const LEAST_PARTIAL = 256;

/** Keys and values of one layer, [rows, KV D] each: a batch's own, or a cache. */
export interface KeyValue {
  keys: Tensor;
  values: Tensor;
}

/** The matrices of a layer whose products are added to the residual stream. */
export type Adding = "output" | "down";

/** What the forward pass of one layer leaves for its backward pass, T rows each. */
export interface LayerActivations extends KeyValue {
  /** The residual stream entering the layer [T, hidden]. */
  input: Tensor;
  inputNormed: Tensor;
  inputRms: Tensor;
  /** [T, (H + 2 KV) D]; the backward pass reads it only where heads are normed. */
  qkv: Tensor;
  qRms?: Tensor;
  kRms?: Tensor;
  /** Rotated queries [T, H D]. */
  q: Tensor;
  attended: Tensor;
  lse: Tensor;
  /** What attention and the MLP add, where it is normed before [T, hidden]. */
  added?: Record<Adding, { out: Tensor; rms: Tensor }>;
  /** The residual stream after attention [T, hidden]. */
  middle: Tensor;
  middleNormed: Tensor;
  middleRms: Tensor;
  /** [T, 2 F] */
  gateUp: Tensor;
  /** [T, F] */
  gated: Tensor;
}

/**
 * What a forward pass keeps for the backward pass: of every layer everything, or only what enters it,
 * from which the backward pass computes the rest anew (gradient checkpointing), or nothing.
 */
export type Keep = "everything" | "inputs" | "nothing";

/** Memory for the forward pass over up to `maxTokens` packed tokens. What is not kept, layers share. */
export class Activations {
  readonly layers: readonly LayerActivations[];
  /** qkv with the heads of q and k normed. */
  readonly qkNormed?: Tensor;
  /** The residual stream after the last layer. */
  readonly output: Tensor;

  constructor(
    alloc: Allocator,
    config: ModelConfig,
    readonly maxTokens: number,
    readonly keep: Keep,
    /** Of all but the residual stream and statistics of rows. */
    elementBytes: ElementBytes = 4,
  ) {
    const { hiddenSize, intermediateSize, numLayers, numHeads } = config;
    const qWidth = numHeads * config.headDim;
    const kvWidth = config.numKeyValueHeads * config.headDim;
    const make = (name: string, width: number) =>
      alloc.allocate("activations", name, maxTokens * width);
    const store = (name: string, width: number) =>
      alloc.allocate("activations", name, maxTokens * width, elementBytes);
    const makeQkv = () => store("q, k and v", qWidth + 2 * kvWidth);
    const sharedQkv = config.qkNorm ? undefined : makeQkv();
    if (config.qkNorm) this.qkNormed = store("normed q and k", qWidth + 2 * kvWidth);
    const makeInput = () => make("layer input", hiddenSize);
    const makeAdded = () => ({ out: make("added", hiddenSize), rms: make("rms of added", 1) });
    const layer = (): LayerActivations => ({
      input: makeInput(),
      inputNormed: store("normed input", hiddenSize),
      inputRms: make("input rms", 1),
      qkv: sharedQkv ?? makeQkv(),
      ...(config.qkNorm && {
        qRms: make("rms of queries", numHeads),
        kRms: make("rms of keys", config.numKeyValueHeads),
      }),
      q: store("queries", qWidth),
      keys: store("keys", kvWidth),
      values: store("values", kvWidth),
      attended: store("attended", qWidth),
      lse: make("log-sum-exp", numHeads),
      ...(config.postNorms && { added: { output: makeAdded(), down: makeAdded() } }),
      middle: make("after attention", hiddenSize),
      middleNormed: store("normed after attention", hiddenSize),
      middleRms: make("rms after attention", 1),
      gateUp: store("gate and up", 2 * intermediateSize),
      gated: store("gated", intermediateSize),
    });
    const first = layer();
    this.layers = Array.from({ length: numLayers }, (_, i) => {
      if (i === 0 || keep === "nothing") return first;
      return keep === "everything" ? layer() : { ...first, input: makeInput() };
    });
    this.output = keep === "nothing" ? first.input : make("output", hiddenSize);
  }
}

/** Scratch of the backward pass. */
export class Gradients {
  /** Gradient of the residual stream [T, hidden]. */
  readonly stream: Tensor;
  readonly normed: Tensor;
  readonly gateUp: Tensor;
  readonly gated: Tensor;
  readonly attended: Tensor;
  /** Log-sum-exp and delta of every head; see softmaxLength. */
  readonly softmax: Tensor;
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly qkv: Tensor;
  readonly partial: Tensor;

  constructor(alloc: Allocator, config: ModelConfig, maxTokens: number) {
    const qWidth = config.numHeads * config.headDim;
    const kvWidth = config.numKeyValueHeads * config.headDim;
    const make = (name: string, width: number) =>
      alloc.allocate("activations", `gradient of ${name}`, maxTokens * width);
    this.stream = make("residual stream", config.hiddenSize);
    this.normed = make("normed", config.hiddenSize);
    this.gateUp = make("gate and up", 2 * config.intermediateSize);
    this.gated = make("gated", config.intermediateSize);
    this.attended = make("attended", qWidth);
    const softmax = softmaxLength(maxTokens, config.numHeads);
    this.softmax = alloc.allocate("activations", "gradient of softmax", softmax);
    this.q = make("queries", qWidth);
    this.k = make("keys", kvWidth);
    this.v = make("values", kvWidth);
    this.qkv = make("q, k and v", qWidth + 2 * kvWidth);
    const partials = Math.max(
      LEAST_PARTIAL,
      rowPartialLength(maxTokens, config.hiddenSize),
      config.qkvBias ? rowPartialLength(maxTokens, qWidth + 2 * kvWidth) : 0,
      config.qkNorm ? rowPartialLength(maxTokens * config.numHeads, config.headDim) : 0,
    );
    this.partial = alloc.allocate("activations", "partial sums and maxima", partials);
  }
}

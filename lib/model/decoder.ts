import type { Gpu } from "../gpu/device.ts";
import type { Allocator, Tensor } from "../gpu/memory.ts";
import type { ModelConfig } from "./config.ts";
import { type HeadShape, Ops, rmsnormPartialLength } from "./ops.ts";
import type { BatchMemory } from "./packing.ts";
import type { Parameters } from "./parameters.ts";

/** Keys and values of one layer, [rows, KV D] each: a batch's own, or a cache. */
export interface KeyValue {
  keys: Tensor;
  values: Tensor;
}

/** What the forward pass of one layer leaves for its backward pass, T rows each. */
interface LayerActivations extends KeyValue {
  /** The residual stream entering the layer [T, hidden]. */
  input: Tensor;
  inputNormed: Tensor;
  inputRms: Tensor;
  /** Rotated queries [T, H D]. */
  q: Tensor;
  attended: Tensor;
  lse: Tensor;
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
 * Memory for the forward pass over up to `maxTokens` packed tokens. With `keep`, every layer has its
 * own, which the backward pass reads; without, all layers share one.
 */
export class Activations {
  readonly layers: readonly LayerActivations[];
  readonly qkv: Tensor;
  /** The residual stream after the last layer. */
  readonly output: Tensor;

  constructor(
    alloc: Allocator,
    config: ModelConfig,
    readonly maxTokens: number,
    readonly keep: boolean,
  ) {
    const { hiddenSize, intermediateSize, numLayers, numHeads } = config;
    const qWidth = numHeads * config.headDim;
    const kvWidth = config.numKeyValueHeads * config.headDim;
    const make = (name: string, width: number) =>
      alloc.allocate("activations", name, maxTokens * width);
    this.qkv = make("q, k and v", qWidth + 2 * kvWidth);
    const layer = (): LayerActivations => ({
      input: make("layer input", hiddenSize),
      inputNormed: make("normed input", hiddenSize),
      inputRms: make("input rms", 1),
      q: make("queries", qWidth),
      keys: make("keys", kvWidth),
      values: make("values", kvWidth),
      attended: make("attended", qWidth),
      lse: make("log-sum-exp", numHeads),
      middle: make("after attention", hiddenSize),
      middleNormed: make("normed after attention", hiddenSize),
      middleRms: make("rms after attention", 1),
      gateUp: make("gate and up", 2 * intermediateSize),
      gated: make("gated", intermediateSize),
    });
    const shared = keep ? undefined : layer();
    this.layers = Array.from({ length: numLayers }, () => shared ?? layer());
    this.output = shared ? shared.input : make("output", hiddenSize);
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
  readonly delta: Tensor;
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
    this.delta = make("softmax", config.numHeads);
    this.q = make("queries", qWidth);
    this.k = make("keys", kvWidth);
    this.v = make("values", kvWidth);
    this.qkv = make("q, k and v", qWidth + 2 * kvWidth);
    const partials = rmsnormPartialLength(maxTokens, config.hiddenSize);
    this.partial = alloc.allocate("activations", "partial sums of norms", partials);
  }
}

/**
 * A Llama decoder (Touvron et al. 2023) without its head: token ids to the residual stream, and back.
 * It owns no weights and no activations, so that one decoder serves policy and reference model,
 * learning and sampling.
 * `ropeTable` holds as many positions as any sequence may have.
 */
export class Decoder {
  readonly ops: Ops;
  private readonly shape: HeadShape;

  constructor(
    private readonly gpu: Gpu,
    readonly config: ModelConfig,
    private readonly ropeTable: Tensor,
  ) {
    this.ops = new Ops(gpu, config.headDim);
    const { numHeads, numKeyValueHeads, headDim } = config;
    this.shape = { heads: numHeads, kvHeads: numKeyValueHeads, headDim };
    gpu.upload(ropeTable, ropeTableOf(config, ropeTable.length / headDim));
  }

  /**
   * Runs `tokens` packed ids through every layer; the result is `activations.output`. Keys and values
   * go to `cache` if given, else to the activations.
   */
  forward(
    weights: Parameters,
    { ids, spans }: { ids: Tensor; spans: Tensor },
    tokens: number,
    activations: Activations,
    cache?: readonly KeyValue[],
  ): void {
    const { ops, shape } = this;
    const { hiddenSize, intermediateSize, rmsNormEps, numLayers } = this.config;
    ops.gather({ index: ids, out: activations.layers[0].input }, weights.embedding, tokens);
    for (let i = 0; i < numLayers; i++) {
      const w = weights.layers[i];
      const a = activations.layers[i];
      const { keys, values } = cache?.[i] ?? a;

      const inputNorm = { x: a.input, w: w.inputNorm, y: a.inputNormed, inverse_rms: a.inputRms };
      ops.rmsnorm(inputNorm, tokens, hiddenSize, rmsNormEps);
      ops.linear({ x: a.inputNormed, y: activations.qkv }, w.qkv, tokens);
      const rope = { spans, table: this.ropeTable, qkv: activations.qkv, q: a.q, keys, values };
      ops.rope(rope, tokens, shape);
      const attention = { spans, q: a.q, k: keys, v: values, o: a.attended, lse: a.lse };
      ops.attention(attention, tokens, shape);
      ops.linear({ x: a.attended, y: a.middle, residual: a.input }, w.output, tokens);

      const middleNorm = {
        x: a.middle,
        w: w.postNorm,
        y: a.middleNormed,
        inverse_rms: a.middleRms,
      };
      ops.rmsnorm(middleNorm, tokens, hiddenSize, rmsNormEps);
      ops.linear({ x: a.middleNormed, y: a.gateUp }, w.gateUp, tokens);
      ops.swiglu({ gate_up: a.gateUp, a: a.gated }, tokens, intermediateSize);
      const next = i + 1 < numLayers ? activations.layers[i + 1].input : activations.output;
      ops.linear({ x: a.gated, y: next, residual: a.middle }, w.down, tokens);
      if (activations.keep) this.gpu.commands.submit();
    }
  }

  /**
   * The way back: from the gradient of the residual stream after the last layer, which the caller
   * has put into `g.stream`, adds every parameter's gradient to `gradients`. Reads the activations
   * of the forward pass over the same batch.
   */
  backward(
    weights: Parameters,
    gradients: Parameters,
    batch: BatchMemory,
    { tokens, distinctIds }: { tokens: number; distinctIds: number },
    activations: Activations,
    g: Gradients,
  ): void {
    const { ops, shape } = this;
    const { hiddenSize, intermediateSize, numLayers } = this.config;
    const { spans, lastQuery } = batch;
    for (let i = numLayers - 1; i >= 0; i--) {
      const w = weights.layers[i];
      const dw = gradients.layers[i];
      const a = activations.layers[i];

      ops.linearBackwardInput({ dy: g.stream, dx: g.gated }, w.down, tokens);
      ops.linearBackwardWeight({ dy: g.stream, x: a.gated }, dw.down, tokens);
      const swiglu = { gate_up: a.gateUp, da: g.gated, d_gate_up: g.gateUp };
      ops.swigluBackward(swiglu, tokens, intermediateSize);
      ops.linearBackwardInput({ dy: g.gateUp, dx: g.normed }, w.gateUp, tokens);
      ops.linearBackwardWeight({ dy: g.gateUp, x: a.middleNormed }, dw.gateUp, tokens);
      const postNorm = { x: a.middle, w: w.postNorm, inverse_rms: a.middleRms, dw: dw.postNorm };
      const normed = { dy: g.normed, dx: g.stream, partial: g.partial };
      ops.rmsnormBackward({ ...postNorm, ...normed }, tokens, hiddenSize);

      ops.linearBackwardInput({ dy: g.stream, dx: g.attended }, w.output, tokens);
      ops.linearBackwardWeight({ dy: g.stream, x: a.attended }, dw.output, tokens);
      ops.attentionBackward(
        {
          spans,
          last_query: lastQuery,
          q: a.q,
          k: a.keys,
          v: a.values,
          o: a.attended,
          lse: a.lse,
          d_o: g.attended,
          delta: g.delta,
          dq: g.q,
          dk: g.k,
          dv: g.v,
        },
        tokens,
        shape,
      );
      const rope = { spans, table: this.ropeTable, dq: g.q, dk: g.k, dv: g.v, dqkv: g.qkv };
      ops.ropeBackward(rope, tokens, shape);
      ops.linearBackwardInput({ dy: g.qkv, dx: g.normed }, w.qkv, tokens);
      ops.linearBackwardWeight({ dy: g.qkv, x: a.inputNormed }, dw.qkv, tokens);
      const inputNorm = { x: a.input, w: w.inputNorm, inverse_rms: a.inputRms, dw: dw.inputNorm };
      ops.rmsnormBackward({ ...inputNorm, ...normed }, tokens, hiddenSize);
      this.gpu.commands.submit();
    }
    ops.gatherBackward({ ...batch.idLists, d_out: g.stream }, gradients.embedding, distinctIds);
  }
}

/** (cos, sin) of position * theta^(-2 j / D), [positions, D / 2, 2], computed in float64. */
function ropeTableOf({ headDim, ropeTheta }: ModelConfig, positions: number): Float32Array {
  const half = headDim / 2;
  const table = new Float32Array(positions * headDim);
  for (let j = 0; j < half; j++) {
    const frequency = ropeTheta ** ((-2 * j) / headDim);
    for (let position = 0; position < positions; position++) {
      const at = (position * half + j) * 2;
      table[at] = Math.cos(position * frequency);
      table[at + 1] = Math.sin(position * frequency);
    }
  }
  return table;
}

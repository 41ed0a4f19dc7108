import type { Gpu } from "../gpu/device.ts";
import type { Tensor } from "../gpu/memory.ts";
import type { Activations, Adding, Gradients, KeyValue, LayerActivations } from "./activations.ts";
import type { ModelConfig } from "./config.ts";
import type { DecodingStep } from "./ops/attention.ts";
import type { HeadShape } from "./ops/heads.ts";
import type { LinearTensors } from "./ops/linear.ts";
import type { NormedHeads } from "./ops/rmsnorm.ts";
import type { Ops } from "./ops.ts";
import type { BatchMemory } from "./packing.ts";
import type { LayerMatrix, LayerParameters, WeightGradients, Weights } from "./parameters.ts";
import { ropeTableLength, ropeTables } from "./rope.ts";

interface TokenSpans extends DecodingStep {
  spans: Tensor;
  /** See BLOCK_ROWS. */
  moved: Tensor;
}

/**
 * A decoder of the Llama kind (Touvron et al. 2023) without its head: token ids to the residual stream,
 * and back. Families differ by a bias on q, k and v, by norms of their heads and of what is added to the stream, and by
 * windows of attention, as the config says.
 * It owns no weights and no activations, so that one decoder serves policy and reference model,
 * learning and sampling.
 * `ropeTable`, of ropeTableLength, holds as many positions as any sequence may have.
 */
export class Decoder {
  /** Of each layer, and the position of `ropeTable` where its RoPE begins. */
  private readonly shapes: readonly HeadShape[];
  private readonly ropeStarts: readonly number[];
  private readonly qHeads: NormedHeads;
  private readonly kHeads: NormedHeads;

  constructor(
    private readonly gpu: Gpu,
    readonly config: ModelConfig,
    private readonly ropeTable: Tensor,
    readonly ops: Ops,
  ) {
    const { numHeads, numKeyValueHeads, headDim, numLayers, sliding } = config;
    const shape = { heads: numHeads, kvHeads: numKeyValueHeads, headDim };
    const positions = ropeTable.length / ropeTableLength(config, 1);
    const slides = Array.from({ length: numLayers }, (_, i) => sliding?.layers[i] ?? false);
    this.shapes = slides.map((its) => (its ? { ...shape, window: sliding?.window } : shape));
    this.ropeStarts = slides.map((its) => (its ? positions : 0));
    const stride = (numHeads + 2 * numKeyValueHeads) * headDim;
    this.qHeads = { heads: numHeads, stride, first: 0 };
    this.kHeads = { heads: numKeyValueHeads, stride, first: numHeads * headDim };
    gpu.upload(ropeTable, ropeTables(config, ropeTable.length));
  }

  /**
   * Runs `tokens` packed ids through every layer; the result is `activations.output`. Keys and values
   * go to `cache` if given, else to the activations.
   */
  forward(
    weights: Weights,
    { ids, ...input }: TokenSpans & { ids: Tensor },
    tokens: number,
    activations: Activations,
    cache?: readonly KeyValue[],
  ): void {
    const { layers, output, keep } = activations;
    const { embeddingScale } = this.config;
    const first = { index: ids, out: layers[0].input };
    this.ops.gather.forward(first, weights.embedding, tokens, embeddingScale);
    for (const [i, a] of layers.entries()) {
      const needsGateUp = keep === "everything";
      this.layer(weights, i, input, tokens, activations, cache?.[i] ?? a, needsGateUp);
      this.add(weights, i, "down", layers[i + 1]?.input ?? output, tokens, a);
      if (keep !== "nothing") this.gpu.commands.submit();
    }
  }

  /** One layer, all but its last product: from `input` to `gated`; `gateUp` where a backward pass will read it. */
  private layer(
    weights: Weights,
    i: number,
    { spans, moved, ...step }: TokenSpans,
    tokens: number,
    activations: Activations,
    { keys, values }: KeyValue,
    needsGateUp: boolean,
  ): void {
    const { ops } = this;
    const { hiddenSize, intermediateSize, rmsNormEps } = this.config;
    const shape = this.shapes[i];
    const w = weights.layers[i];
    const a = activations.layers[i];

    const inputNorm = { x: a.input, w: w.inputNorm, y: a.inputNormed, inverse_rms: a.inputRms };
    ops.rmsnorm.forward(inputNorm, tokens, hiddenSize, rmsNormEps);
    this.linear(weights, i, "qkv", { x: a.inputNormed, y: a.qkv, bias: w.qkvBias }, tokens);
    const qk = this.normHeads(w, a, tokens, activations.qkNormed);
    const { qkv, q } = a;
    const turned = { spans, moved, table: this.ropeTable, qk, qkv, q, keys, values };
    ops.rope.forward(turned, tokens, shape, this.ropeStarts[i]);
    const attention = { spans, moved, q: a.q, k: keys, v: values, o: a.attended, lse: a.lse };
    ops.attention.forward(attention, tokens, shape, step);
    this.add(weights, i, "output", a.middle, tokens, a);

    const postNorm = { x: a.middle, w: w.postNorm, y: a.middleNormed, inverse_rms: a.middleRms };
    ops.rmsnorm.forward(postNorm, tokens, hiddenSize, rmsNormEps);
    if (!needsGateUp && !weights.delta && w.gateUp.blocks.length === 1) {
      ops.linear.forwardSwiglu({ x: a.middleNormed, y: a.gated }, w.gateUp, tokens);
      return;
    }
    this.linear(weights, i, "gateUp", { x: a.middleNormed, y: a.gateUp }, tokens);
    ops.swiglu.forward({ gate_up: a.gateUp, a: a.gated }, tokens, intermediateSize);
  }

  /**
   * The way back: from the gradient of the residual stream after the last layer, which the caller
   * has put into `g.stream`, adds the gradients of what `gradients` has. Reads the activations of the
   * forward pass over the same batch, and computes anew what was not kept.
   */
  backward(
    weights: Weights,
    gradients: WeightGradients,
    batch: BatchMemory,
    tokens: number,
    activations: Activations,
    g: Gradients,
  ): void {
    const { ops } = this;
    const { hiddenSize, intermediateSize, numLayers, embeddingScale } = this.config;
    const { spans, moved, lastQuery } = batch;
    for (let i = numLayers - 1; i >= 0; i--) {
      const w = weights.layers[i];
      const dw = gradients.layers?.[i];
      const a = activations.layers[i];
      if (activations.keep === "inputs") {
        this.layer(weights, i, { spans, moved }, tokens, activations, a, true);
        const y = activations.layers[i + 1]?.input ?? activations.output;
        if (a.added) this.add(weights, i, "down", y, tokens, a);
      }
      const back = (name: LayerMatrix, x: Tensor, dy: Tensor, dx: Tensor) => {
        const tensors = { x, dy, dx, partial: g.partial };
        const matrix = w[name];
        ops.linear.backward(tensors, matrix, dw?.[name], tokens);
        weights.delta?.backward({ layer: i, name, matrix }, tensors, tokens);
      };

      const added = (name: Adding) => this.addBackward(w, dw, name, tokens, a, g);

      back("down", a.gated, added("down"), g.gated);
      const swiglu = { gate_up: a.gateUp, da: g.gated, d_gate_up: g.gateUp };
      ops.swiglu.backward(swiglu, tokens, intermediateSize);
      back("gateUp", a.middleNormed, g.gateUp, g.normed);
      const postNorm = { x: a.middle, w: w.postNorm, inverse_rms: a.middleRms, dw: dw?.postNorm };
      const normed = { dy: g.normed, dx: g.stream, partial: g.partial };
      ops.rmsnorm.backward({ ...postNorm, ...normed }, tokens, hiddenSize);

      back("output", a.attended, added("output"), g.attended);
      const attended = { spans, moved, q: a.q, k: a.keys, v: a.values, o: a.attended, lse: a.lse };
      const pulled = { d_o: g.attended, softmax: g.softmax, dq: g.q, dk: g.k, dv: g.v };
      const attention = { ...attended, ...pulled, last_query: lastQuery };
      ops.attention.backward(attention, tokens, this.shapes[i]);
      const rope = { spans, table: this.ropeTable, dq: g.q, dk: g.k, dv: g.v, dqkv: g.qkv };
      ops.rope.backward(rope, tokens, this.shapes[i], this.ropeStarts[i]);
      this.normHeadsBackward(w, dw, a, g, tokens);
      if (dw?.qkvBias) {
        const bias = { dy: g.qkv, db: dw.qkvBias, partial: g.partial };
        ops.linear.backwardBias(bias, tokens, w.qkv.rows);
      }
      back("qkv", a.inputNormed, g.qkv, g.normed);
      const inputNorm = { x: a.input, w: w.inputNorm, inverse_rms: a.inputRms, dw: dw?.inputNorm };
      ops.rmsnorm.backward({ ...inputNorm, ...normed }, tokens, hiddenSize);
      this.gpu.commands.submit();
    }
    if (gradients.embedding) {
      const { tensors, distinct } = batch.idPlaces;
      const scatter = { ...tensors, d_out: g.stream };
      ops.gather.backward(scatter, gradients.embedding, distinct, embeddingScale);
    }
  }

  /** y = x W^T with one of the layer's matrices, and what a delta adds. */
  private linear(
    { layers, delta }: Weights,
    i: number,
    name: LayerMatrix,
    tensors: LinearTensors,
    tokens: number,
  ): void {
    const matrix = layers[i][name];
    this.ops.linear.forward(tensors, matrix, tokens);
    delta?.forward({ layer: i, name, matrix }, tensors, tokens);
  }

  /** y = the residual stream plus what attention or the MLP adds to it, normed first if the model does. */
  private add(
    weights: Weights,
    i: number,
    name: Adding,
    y: Tensor,
    tokens: number,
    a: LayerActivations,
  ): void {
    const { hiddenSize, rmsNormEps } = this.config;
    const [x, residual] = name === "output" ? [a.attended, a.input] : [a.gated, a.middle];
    const w = weights.layers[i][`${name}Norm`];
    if (!a.added || !w) {
      this.linear(weights, i, name, { x, y, residual }, tokens);
      return;
    }
    const { out, rms } = a.added[name];
    this.linear(weights, i, name, { x, y: out }, tokens);
    const norm = { x: out, w, y, inverse_rms: rms, added: residual };
    this.ops.rmsnorm.forward(norm, tokens, hiddenSize, rmsNormEps);
  }

  /** @returns where the gradient of what `add` adds is, that of the stream being in `g.stream` */
  private addBackward(
    weights: LayerParameters,
    dw: LayerParameters | undefined,
    name: Adding,
    tokens: number,
    { added }: LayerActivations,
    g: Gradients,
  ): Tensor {
    const member = `${name}Norm` as const;
    const w = weights[member];
    if (!added || !w) return g.stream;
    const { out: x, rms: inverse_rms } = added[name];
    this.gpu.commands.clear(g.normed);
    const norm = { x, w, inverse_rms, dy: g.stream, dx: g.normed, dw: dw?.[member] };
    this.ops.rmsnorm.backward({ ...norm, partial: g.partial }, tokens, this.config.hiddenSize);
    return g.normed;
  }

  /** Norms the heads of q and k if the model does. @returns where RoPE reads them */
  private normHeads(
    { qNorm, kNorm }: LayerParameters,
    { qkv, qRms, kRms }: LayerActivations,
    tokens: number,
    normed: Tensor | undefined,
  ): Tensor {
    if (!qNorm || !kNorm || !qRms || !kRms || !normed) return qkv;
    const { ops, qHeads, kHeads } = this;
    const { headDim, rmsNormEps } = this.config;
    const q = { x: qkv, w: qNorm, y: normed, inverse_rms: qRms };
    const k = { x: qkv, w: kNorm, y: normed, inverse_rms: kRms };
    ops.rmsnorm.forward(q, tokens, headDim, rmsNormEps, qHeads);
    ops.rmsnorm.forward(k, tokens, headDim, rmsNormEps, kHeads);
    return normed;
  }

  /** Turns `g.qkv` from the gradient of the normed heads into that of the heads. */
  private normHeadsBackward(
    { qNorm, kNorm }: LayerParameters,
    dw: LayerParameters | undefined,
    { qkv, qRms, kRms }: LayerActivations,
    g: Gradients,
    tokens: number,
  ): void {
    if (!qNorm || !kNorm || !qRms || !kRms) return;
    const { ops, qHeads, kHeads } = this;
    const shared = { x: qkv, dy: g.qkv, partial: g.partial };
    const q = { ...shared, w: qNorm, inverse_rms: qRms, dw: dw?.qNorm };
    const k = { ...shared, w: kNorm, inverse_rms: kRms, dw: dw?.kNorm };
    ops.rmsnorm.backwardHeads(q, tokens, this.config.headDim, qHeads);
    ops.rmsnorm.backwardHeads(k, tokens, this.config.headDim, kHeads);
  }
}

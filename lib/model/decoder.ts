import type { Variants } from "../../beyond/kernels/variants.ts";
import { adaptersBackward, addAdapters, type LayerAdapters } from "../../beyond/lora/lora.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Tensor } from "../gpu/memory.ts";
import type { Activations, Gradients, KeyValue, LayerActivations } from "./activations.ts";
import type { ModelConfig } from "./config.ts";
import type { DecodingStep } from "./ops/attention.ts";
import type { HeadShape } from "./ops/heads.ts";
import type { LinearTensors } from "./ops/linear.ts";
import type { NormedHeads } from "./ops/rmsnorm.ts";
import { Ops } from "./ops.ts";
import type { BatchMemory } from "./packing.ts";
import type { LayerParameters, WeightGradients, Weights } from "./parameters.ts";
import { ropeTable as makeRopeTable } from "./rope.ts";

/** The matrices of a layer; q, k and v are stacked, and so are gate and up. */
type MatrixName = keyof LayerAdapters;

interface TokenSpans extends DecodingStep {
  spans: Tensor;
}

/**
 * A decoder of the Llama kind (Touvron et al. 2023) without its head: token ids to the residual stream,
 * and back. Families differ by a bias on q, k and v and by norms of their heads, as the config says.
 * It owns no weights and no activations, so that one decoder serves policy and reference model,
 * learning and sampling.
 * `ropeTable` holds as many positions as any sequence may have.
 */
export class Decoder {
  readonly ops: Ops;
  private readonly shape: HeadShape;
  private readonly qHeads: NormedHeads;
  private readonly kHeads: NormedHeads;

  constructor(
    private readonly gpu: Gpu & { readonly variants: Variants },
    readonly config: ModelConfig,
    private readonly ropeTable: Tensor,
    given: Partial<Variants> = {},
  ) {
    this.ops = new Ops(gpu, config.headDim, given);
    const { numHeads, numKeyValueHeads, headDim } = config;
    this.shape = { heads: numHeads, kvHeads: numKeyValueHeads, headDim };
    const stride = (numHeads + 2 * numKeyValueHeads) * headDim;
    this.qHeads = { heads: numHeads, stride, first: 0 };
    this.kHeads = { heads: numKeyValueHeads, stride, first: numHeads * headDim };
    gpu.upload(ropeTable, makeRopeTable(config, ropeTable.length / headDim));
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
    this.ops.gather.forward({ index: ids, out: layers[0].input }, weights.embedding, tokens);
    for (const [i, a] of layers.entries()) {
      const needsGateUp = keep === "everything";
      this.layer(weights, i, input, tokens, activations, cache?.[i] ?? a, needsGateUp);
      const y = layers[i + 1]?.input ?? output;
      const { gated: x, middle: residual } = a;
      this.linear(weights, i, "down", { x, y, residual, low: activations.low }, tokens);
      if (keep !== "nothing") this.gpu.commands.submit();
    }
  }

  /** One layer, all but its last product: from `input` to `gated`; `gateUp` where a backward pass will read it. */
  private layer(
    weights: Weights,
    i: number,
    { spans, ...step }: TokenSpans,
    tokens: number,
    activations: Activations,
    { keys, values }: KeyValue,
    needsGateUp: boolean,
  ): void {
    const { ops, shape } = this;
    const { hiddenSize, intermediateSize, rmsNormEps } = this.config;
    const w = weights.layers[i];
    const a = activations.layers[i];
    const { low } = activations;

    const inputNorm = { x: a.input, w: w.inputNorm, y: a.inputNormed, inverse_rms: a.inputRms };
    ops.rmsnorm.forward(inputNorm, tokens, hiddenSize, rmsNormEps);
    const project = { x: a.inputNormed, y: a.qkv, bias: w.qkvBias, low };
    this.linear(weights, i, "qkv", project, tokens);
    const qk = this.normHeads(w, a, tokens, activations.qkNormed);
    const { qkv, q } = a;
    ops.rope.forward({ spans, table: this.ropeTable, qk, qkv, q, keys, values }, tokens, shape);
    const attention = { spans, q: a.q, k: keys, v: values, o: a.attended, lse: a.lse };
    ops.attention.forward(attention, tokens, shape, step);
    const output = { x: a.attended, y: a.middle, residual: a.input, low };
    this.linear(weights, i, "output", output, tokens);

    const postNorm = { x: a.middle, w: w.postNorm, y: a.middleNormed, inverse_rms: a.middleRms };
    ops.rmsnorm.forward(postNorm, tokens, hiddenSize, rmsNormEps);
    if (!needsGateUp && !weights.adapters && w.gateUp.blocks.length === 1) {
      ops.linear.forwardSwiglu({ x: a.middleNormed, y: a.gated }, w.gateUp, tokens);
      return;
    }
    this.linear(weights, i, "gateUp", { x: a.middleNormed, y: a.gateUp, low }, tokens);
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
    { tokens, distinctIds }: { tokens: number; distinctIds: number },
    activations: Activations,
    g: Gradients,
  ): void {
    const { ops, shape } = this;
    const { hiddenSize, intermediateSize, numLayers } = this.config;
    const { spans, lastQuery } = batch;
    const { low } = activations;
    for (let i = numLayers - 1; i >= 0; i--) {
      const w = weights.layers[i];
      const dw = gradients.layers?.[i];
      const a = activations.layers[i];
      if (activations.keep === "inputs") {
        this.layer(weights, i, { spans }, tokens, activations, a, true);
      }
      const back = (name: MatrixName, x: Tensor, dy: Tensor, dx: Tensor) =>
        this.linearBackward(weights, gradients, i, name, { x, dy, dx, low }, g, tokens);

      back("down", a.gated, g.stream, g.gated);
      const swiglu = { gate_up: a.gateUp, da: g.gated, d_gate_up: g.gateUp };
      ops.swiglu.backward(swiglu, tokens, intermediateSize);
      back("gateUp", a.middleNormed, g.gateUp, g.normed);
      const postNorm = { x: a.middle, w: w.postNorm, inverse_rms: a.middleRms, dw: dw?.postNorm };
      const normed = { dy: g.normed, dx: g.stream, partial: g.partial };
      ops.rmsnorm.backward({ ...postNorm, ...normed }, tokens, hiddenSize);

      back("output", a.attended, g.stream, g.attended);
      ops.attention.backward(
        {
          spans,
          last_query: lastQuery,
          q: a.q,
          k: a.keys,
          v: a.values,
          o: a.attended,
          lse: a.lse,
          d_o: g.attended,
          softmax: g.softmax,
          dq: g.q,
          dk: g.k,
          dv: g.v,
        },
        tokens,
        shape,
      );
      const rope = { spans, table: this.ropeTable, dq: g.q, dk: g.k, dv: g.v, dqkv: g.qkv };
      ops.rope.backward(rope, tokens, shape);
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
      ops.gather.backward({ ...batch.idLists, d_out: g.stream }, gradients.embedding, distinctIds);
    }
  }

  /** y = x W^T with one of the layer's matrices, and what its adapters add. */
  private linear(
    weights: Weights,
    i: number,
    name: MatrixName,
    { low, ...tensors }: LinearTensors & { low?: Tensor },
    tokens: number,
  ): void {
    const matrix = weights.layers[i][name];
    this.ops.linear.forward(tensors, matrix, tokens);
    if (!weights.adapters || !low) return;
    const { x, y } = tensors;
    addAdapters(this.ops, weights.adapters[i][name], { x, y, low }, tokens, matrix.rows);
  }

  /** dx, and the gradients of the matrix or of its adapters. */
  private linearBackward(
    weights: Weights,
    gradients: WeightGradients,
    i: number,
    name: MatrixName,
    { low, ...tensors }: { x: Tensor; dy: Tensor; dx: Tensor; low?: Tensor },
    { partial, low: dLow }: Gradients,
    tokens: number,
  ): void {
    const matrix = weights.layers[i][name];
    const gradient = gradients.layers?.[i][name];
    this.ops.linear.backward({ ...tensors, partial }, matrix, gradient, tokens);
    if (!weights.adapters || !gradients.adapters || !low || !dLow) return;
    const adapters = [weights.adapters[i][name], gradients.adapters[i][name]] as const;
    const pass = { ...tensors, low, dLow, partial };
    adaptersBackward(this.ops, ...adapters, pass, tokens, matrix.rows);
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

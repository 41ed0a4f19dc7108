/** A whole Llama decoder in float64, forward and backward, made of the oracles of its ops. */

import {
  type AttentionOutput,
  attentionBackward,
  attentionForward,
} from "../../beyond/oracle/attention.ts";
import { gatherBackward, gatherForward } from "../../beyond/oracle/gather.ts";
import { logprobBackward, logprobForward } from "../../beyond/oracle/logprob.ts";
import {
  matmulBackwardInput,
  matmulBackwardWeight,
  matmulForward,
} from "../../beyond/oracle/matmul.ts";
import type { Random } from "../../beyond/oracle/random.ts";
import {
  rmsnormBackwardInput,
  rmsnormBackwardWeight,
  rmsnormForward,
} from "../../beyond/oracle/rmsnorm.ts";
import { type QueryKeyValue, ropeBackward, ropeForward } from "../../beyond/oracle/rope.ts";
import { swigluBackward, swigluForward } from "../../beyond/oracle/swiglu.ts";
import type { ModelConfig } from "../../lib/model/config.ts";
import { tensorShapes } from "../../lib/model/parameters.ts";
import type { PackedBatch } from "./packing.ts";

/** Tensors by Hugging Face name. */
export type Tensors = Map<string, Float64Array>;

/** The activations of one layer that its backward pass reads, in the order they are computed. */
export interface LayerActivations {
  /** [T, d] residual stream entering the layer */
  input: Float64Array;
  /** [T, d] */
  attentionNormed: Float64Array;
  /** [T, (H + 2 KV) D] with the bias, before the norms of the heads */
  qkv: Float64Array;
  heads: QueryKeyValue;
  attention: AttentionOutput;
  /** [T, d] residual stream between attention and MLP */
  middle: Float64Array;
  /** [T, d] */
  mlpNormed: Float64Array;
  /** [T, 2 ff] */
  gateUp: Float64Array;
  /** [T, ff] */
  activation: Float64Array;
}

export interface DecoderForward {
  layers: LayerActivations[];
  /** [T, d] residual stream after the last layer, before the final norm */
  hidden: Float64Array;
  /** [M, d] rows of `hidden` to predict from */
  rows: Float64Array;
  /** [M, d] */
  normedRows: Float64Array;
  /** [M, V], not divided by the temperature */
  logits: Float64Array;
  /** [M] */
  logprobs: Float64Array;
  /** [M] */
  entropies: Float64Array;
}

export interface OracleDecoder {
  forward(batch: PackedBatch, temperature: number): DecoderForward;
  /** The gradient of sum_m dLogprobs[m] logprobs[m] for every weight. */
  backward(
    batch: PackedBatch,
    temperature: number,
    saved: DecoderForward,
    dLogprobs: Float64Array,
  ): Tensors;
}

/** The heads of q, or of k, of all tokens: rows of width headDim. */
interface HeadRange {
  name: string;
  heads: number;
  first: number;
}

function concat(parts: Float64Array[]): Float64Array {
  const out = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** Random weights, f32-exact: norms about 1, matrices of standard deviation 1 / sqrt(inputs). */
export function randomWeights(config: ModelConfig, random: Random): Tensors {
  const weights: Tensors = new Map();
  for (const [name, shape] of tensorShapes(config)) {
    const length = shape.reduce((product, n) => product * n, 1);
    const values =
      shape.length === 1
        ? random.normal(length, 0.2, 1)
        : random.normal(length, 1 / Math.sqrt(shape[1]));
    weights.set(name, values);
  }
  return weights;
}

/** `weights` is read at each call, so a test may change it in place. */
export function oracleDecoder(config: ModelConfig, weights: Tensors): OracleDecoder {
  const { hiddenSize: d, intermediateSize: ff, headDim, rmsNormEps: eps, vocabSize: V } = config;
  const queryWidth = config.numHeads * headDim;
  const qkvWidth = queryWidth + 2 * config.numKeyValueHeads * headDim;
  const head = config.tieWordEmbeddings ? "model.embed_tokens.weight" : "lm_head.weight";
  const layerNames = (layer: number) => {
    const prefix = `model.layers.${layer}`;
    return {
      attentionNorm: `${prefix}.input_layernorm.weight`,
      qkv: ["q", "k", "v"].map((part) => `${prefix}.self_attn.${part}_proj.weight`),
      bias: ["q", "k", "v"].map((part) => `${prefix}.self_attn.${part}_proj.bias`),
      normed: [
        { name: `${prefix}.self_attn.q_norm.weight`, heads: config.numHeads, first: 0 },
        {
          name: `${prefix}.self_attn.k_norm.weight`,
          heads: config.numKeyValueHeads,
          first: queryWidth,
        },
      ],
      o: `${prefix}.self_attn.o_proj.weight`,
      mlpNorm: `${prefix}.post_attention_layernorm.weight`,
      gateUp: ["gate", "up"].map((part) => `${prefix}.mlp.${part}_proj.weight`),
      down: `${prefix}.mlp.down_proj.weight`,
    };
  };
  const weight = (name: string): Float64Array => {
    const tensor = weights.get(name);
    if (!tensor) throw new Error(`no weight named ${name}`);
    return tensor;
  };
  /** Several matrices with the same inputs as one, their outputs side by side. */
  const fused = (names: string[]) => concat(names.map(weight));

  const shapes = (T: number) => ({
    norm: { T, d },
    qkv: { T, K: d, N: qkvWidth },
    rope: {
      T,
      heads: config.numHeads,
      kvHeads: config.numKeyValueHeads,
      headDim,
      theta: config.ropeTheta,
      scaling: config.ropeScaling,
    },
    o: { T, K: queryWidth, N: d },
    gateUp: { T, K: d, N: 2 * ff },
    swiglu: { T, ff },
    down: { T, K: ff, N: d },
    head: { T, K: d, N: V },
  });

  const headsOf = (qkv: Float64Array, T: number, { heads, first }: HeadRange) =>
    concat(
      Array.from({ length: T }, (_, t) =>
        qkv.subarray(t * qkvWidth + first, t * qkvWidth + first + heads * headDim),
      ),
    );
  const putHeads = (qkv: Float64Array, rows: Float64Array, { heads, first }: HeadRange) => {
    const width = heads * headDim;
    for (let t = 0; t * width < rows.length; t++) {
      qkv.set(rows.subarray(t * width, (t + 1) * width), t * qkvWidth + first);
    }
  };
  const headShape = (T: number, { heads }: HeadRange) => ({ T: T * heads, d: headDim });

  function forward(batch: PackedBatch, temperature: number): DecoderForward {
    const { tokens, spans, predictionRows, targets } = batch;
    const shape = shapes(tokens.length);
    let hidden = gatherForward(weight("model.embed_tokens.weight"), tokens, d);
    const layers: LayerActivations[] = [];
    for (let layer = 0; layer < config.numLayers; layer++) {
      const names = layerNames(layer);
      const input = hidden;
      const attentionNormed = rmsnormForward(input, weight(names.attentionNorm), eps, shape.norm);
      const qkv = matmulForward(attentionNormed, fused(names.qkv), shape.qkv);
      if (config.qkvBias) {
        const bias = fused(names.bias);
        for (let i = 0; i < qkv.length; i++) qkv[i] += bias[i % qkvWidth];
      }
      const normed = qkv.slice();
      for (const range of config.qkNorm ? names.normed : []) {
        const rows = headsOf(qkv, tokens.length, range);
        const shape = headShape(tokens.length, range);
        putHeads(normed, rmsnormForward(rows, weight(range.name), eps, shape), range);
      }
      const heads = ropeForward(normed, spans, shape.rope);
      const attention = attentionForward(heads, spans, shape.rope);
      const middle = matmulForward(attention.o, weight(names.o), shape.o, input);
      const mlpNormed = rmsnormForward(middle, weight(names.mlpNorm), eps, shape.norm);
      const gateUp = matmulForward(mlpNormed, fused(names.gateUp), shape.gateUp);
      const activation = swigluForward(gateUp, shape.swiglu);
      hidden = matmulForward(activation, weight(names.down), shape.down, middle);
      layers.push({
        input,
        attentionNormed,
        qkv,
        heads,
        attention,
        middle,
        mlpNormed,
        gateUp,
        activation,
      });
    }
    const M = targets.length;
    const rows = gatherForward(hidden, predictionRows, d);
    const normedRows = rmsnormForward(rows, weight("model.norm.weight"), eps, { T: M, d });
    const logits = matmulForward(normedRows, weight(head), shapes(M).head);
    const { logprobs, entropies } = logprobForward(logits, targets, temperature);
    return { layers, hidden, rows, normedRows, logits, logprobs, entropies };
  }

  function backward(
    batch: PackedBatch,
    temperature: number,
    saved: DecoderForward,
    dLogprobs: Float64Array,
  ): Tensors {
    const { tokens, spans, predictionRows, targets } = batch;
    const shape = shapes(tokens.length);
    const M = targets.length;
    const gradients: Tensors = new Map();
    for (const [name, tensor] of weights) gradients.set(name, new Float64Array(tensor.length));
    const add = (name: string, gradient: Float64Array) => {
      gradients.set(
        name,
        weight(name).map((_, i) => (gradients.get(name) as Float64Array)[i] + gradient[i]),
      );
    };
    const addFused = (names: string[], gradient: Float64Array) => {
      let offset = 0;
      for (const name of names) {
        add(name, gradient.subarray(offset, offset + weight(name).length));
        offset += weight(name).length;
      }
    };

    const dLogits = logprobBackward(dLogprobs, saved.logits, targets, temperature);
    add(head, matmulBackwardWeight(dLogits, saved.normedRows, shapes(M).head));
    const dNormedRows = matmulBackwardInput(dLogits, weight(head), shapes(M).head);
    const finalNorm = "model.norm.weight";
    add(finalNorm, rmsnormBackwardWeight(dNormedRows, saved.rows, eps, { T: M, d }));
    const dRows = rmsnormBackwardInput(dNormedRows, saved.rows, weight(finalNorm), eps, {
      T: M,
      d,
    });
    let dHidden = gatherBackward(dRows, predictionRows, d, new Float64Array(tokens.length * d));

    for (let layer = config.numLayers - 1; layer >= 0; layer--) {
      const names = layerNames(layer);
      const at = saved.layers[layer];

      add(names.down, matmulBackwardWeight(dHidden, at.activation, shape.down));
      const dActivation = matmulBackwardInput(dHidden, weight(names.down), shape.down);
      const dGateUp = swigluBackward(dActivation, at.gateUp, shape.swiglu);
      addFused(names.gateUp, matmulBackwardWeight(dGateUp, at.mlpNormed, shape.gateUp));
      const dMlpNormed = matmulBackwardInput(dGateUp, fused(names.gateUp), shape.gateUp);
      add(names.mlpNorm, rmsnormBackwardWeight(dMlpNormed, at.middle, eps, shape.norm));
      const mlpNorm = weight(names.mlpNorm);
      const dMiddle = rmsnormBackwardInput(
        dMlpNormed,
        at.middle,
        mlpNorm,
        eps,
        shape.norm,
        dHidden,
      );

      add(names.o, matmulBackwardWeight(dMiddle, at.attention.o, shape.o));
      const dOut = matmulBackwardInput(dMiddle, weight(names.o), shape.o);
      const dHeads = attentionBackward(dOut, at.heads, at.attention, spans, shape.rope);
      const dQkv = ropeBackward(dHeads, spans, shape.rope);
      for (const range of config.qkNorm ? names.normed : []) {
        const dRows = headsOf(dQkv, tokens.length, range);
        const rows = headsOf(at.qkv, tokens.length, range);
        const shape = headShape(tokens.length, range);
        add(range.name, rmsnormBackwardWeight(dRows, rows, eps, shape));
        putHeads(dQkv, rmsnormBackwardInput(dRows, rows, weight(range.name), eps, shape), range);
      }
      if (config.qkvBias) {
        const dBias = new Float64Array(qkvWidth);
        for (let i = 0; i < dQkv.length; i++) dBias[i % qkvWidth] += dQkv[i];
        addFused(names.bias, dBias);
      }
      addFused(names.qkv, matmulBackwardWeight(dQkv, at.attentionNormed, shape.qkv));
      const dNormed = matmulBackwardInput(dQkv, fused(names.qkv), shape.qkv);
      add(names.attentionNorm, rmsnormBackwardWeight(dNormed, at.input, eps, shape.norm));
      const norm = weight(names.attentionNorm);
      dHidden = rmsnormBackwardInput(dNormed, at.input, norm, eps, shape.norm, dMiddle);
    }

    const embedding = "model.embed_tokens.weight";
    const soFar = gradients.get(embedding) as Float64Array;
    gradients.set(embedding, gatherBackward(dHidden, tokens, d, soFar));
    return gradients;
  }

  return { forward, backward };
}

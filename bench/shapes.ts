import type { ModelConfig } from "../lib/model/config.ts";

/** A decoder of the Llama kind, as far as its speed goes. */
export interface ModelShape {
  name: string;
  hidden: number;
  /** Width of the SwiGLU layer. */
  ff: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  vocabulary: number;
}

export const shape = (
  name: string,
  [hidden, ff, layers]: [number, number, number],
  [heads, kvHeads, headDim]: [number, number, number],
  vocabulary: number,
): ModelShape => ({ name, hidden, ff, layers, heads, kvHeads, headDim, vocabulary });

export const EMBEDDED_SHAPE = shape("embedded", [64, 176, 3], [4, 4, 16], 16);
export const SMOLLM2_SHAPE = shape("SmolLM2-135M", [576, 1536, 30], [9, 3, 64], 49152);
export const QWEN_SHAPE = shape("Qwen2.5-0.5B", [896, 4864, 24], [14, 2, 64], 151936);
export const LLAMA_SHAPE = shape("Llama-3.2-1B", [2048, 8192, 16], [32, 8, 64], 128256);

/** The models whose shapes are measured, small to large. */
export const MODEL_SHAPES = [EMBEDDED_SHAPE, SMOLLM2_SHAPE, QWEN_SHAPE, LLAMA_SHAPE];

/** Columns of qkv: the heads of q, k and v side by side. */
export const qkvWidth = ({ heads, kvHeads, headDim }: ModelShape) =>
  (heads + 2 * kvHeads) * headDim;

/** The matrices [N, K] of a layer, as the decoder multiplies by them. */
export const layerMatrices = (model: ModelShape) => [
  { matrix: "qkv", K: model.hidden, N: qkvWidth(model) },
  { matrix: "output", K: model.heads * model.headDim, N: model.hidden },
  { matrix: "gate and up", K: model.hidden, N: 2 * model.ff },
  { matrix: "down", K: model.ff, N: model.hidden },
];

/** The spans of one sequence of T tokens: each sees itself and all before it. */
export const causalSpans = (T: number) =>
  Uint32Array.from({ length: 4 * T }, (_, i) => (i % 4 === 3 ? (i + 1) / 4 : 0));

/** One layer of the model, with a row of the embedding for each of `tokens` tokens. */
export const oneLayer = (model: ModelShape, tokens: number): ModelConfig => ({
  architecture: "LlamaForCausalLM",
  vocabSize: tokens,
  hiddenSize: model.hidden,
  intermediateSize: model.ff,
  numLayers: 1,
  numHeads: model.heads,
  numKeyValueHeads: model.kvHeads,
  headDim: model.headDim,
  rmsNormEps: 1e-5,
  ropeTheta: 10_000,
  ropeScaling: null,
  maxPositionEmbeddings: tokens,
  tieWordEmbeddings: true,
  qkvBias: false,
  qkNorm: false,
  bosTokenId: null,
  eosTokenIds: [],
});

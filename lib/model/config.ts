import type { RopeScaling } from "./rope.ts";

/** Layers that look no further back than a window. */
export interface SlidingLayers {
  /** Keys that a token sees, its own among them. */
  window: number;
  /** Of their RoPE, which is not scaled. */
  ropeTheta: number;
  /** Which layers these are, true for them. */
  layers: readonly boolean[];
}

/**
 * What a decoder of the Llama kind computes: all that the kernels need of a Hugging Face `config.json`.
 * The families differ only in what is said here.
 */
export interface ModelConfig {
  /** Its class in `transformers`, such as Qwen3ForCausalLM. */
  architecture: string;
  vocabSize: number;
  hiddenSize: number;
  /** Width of the SwiGLU, or GeGLU, layer, the `ff` of the shaders. */
  intermediateSize: number;
  numLayers: number;
  numHeads: number;
  numKeyValueHeads: number;
  headDim: number;
  rmsNormEps: number;
  ropeTheta: number;
  ropeScaling: RopeScaling | null;
  /** Attention scores are divided by its root; `headDim` if nothing is said. */
  queryScalar?: number;
  sliding?: SlidingLayers;
  maxPositionEmbeddings: number;
  tieWordEmbeddings: boolean;
  /** Whether the projections to q, k and v add a bias. */
  qkvBias: boolean;
  /** Whether each head's q and k pass through an RMSNorm before RoPE. */
  qkNorm: boolean;
  /** Whether what attention and MLP add to the residual stream is normed before. */
  postNorms?: boolean;
  /** What norms add to their weights, if anything: Gemma's multiply by 1 + w. */
  normOffset?: number;
  /** What the embedding of a token is multiplied by, if anything. */
  embeddingScale?: number;
  /** Of the MLP's gate; silu if nothing is said. */
  activation?: "silu" | "gelu";
  bosTokenId: number | null;
  /** Any of these ends a completion. */
  eosTokenIds: number[];
}

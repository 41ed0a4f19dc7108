import type { RopeScaling } from "./rope.ts";

/**
 * What a decoder of the Llama kind computes: all that the kernels need of a Hugging Face `config.json`.
 * The families differ only in what is said here.
 */
export interface ModelConfig {
  /** Its class in `transformers`, such as Qwen3ForCausalLM. */
  architecture: string;
  vocabSize: number;
  hiddenSize: number;
  /** Width of the SwiGLU layer, the `ff` of the shaders. */
  intermediateSize: number;
  numLayers: number;
  numHeads: number;
  numKeyValueHeads: number;
  headDim: number;
  rmsNormEps: number;
  ropeTheta: number;
  ropeScaling: RopeScaling | null;
  maxPositionEmbeddings: number;
  tieWordEmbeddings: boolean;
  /** Whether the projections to q, k and v add a bias. */
  qkvBias: boolean;
  /** Whether each head's q and k pass through an RMSNorm before RoPE. */
  qkNorm: boolean;
  bosTokenId: number | null;
  /** Any of these ends a completion. */
  eosTokenIds: number[];
}

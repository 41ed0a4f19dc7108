import type { Allocator, MemoryPart, Tensor } from "../gpu/memory.ts";
import type { ModelConfig } from "./config.ts";
import type { Matrix, RowFormat } from "./matrix.ts";
import { type BindingLimits, SlabLayout, Slabs } from "./slabs.ts";

/** Vocabulary rows the LM head works on at once; fixes the order in which its log-softmax adds. */
export const VOCABULARY_BLOCK = 4096;

/** One decoder layer's parameters. Matrices that share an input are stacked and multiplied at once. */
export interface LayerParameters {
  inputNorm: Tensor;
  /** q, k and v projections, stacked: [(H + 2 KV) D, hidden]. */
  qkv: Matrix;
  /** Of q, k and v, stacked: [(H + 2 KV) D]. */
  qkvBias?: Tensor;
  /** Norms of the heads of q and of k: [D]. */
  qNorm?: Tensor;
  kNorm?: Tensor;
  output: Matrix;
  /** Norms of what attention and the MLP add. */
  outputNorm?: Tensor;
  downNorm?: Tensor;
  /** Before the MLP. */
  postNorm: Tensor;
  /** Gate and up projections, stacked: [2 F, hidden]. */
  gateUp: Matrix;
  down: Matrix;
}

/** The matrices of a layer. */
export type LayerMatrix = "qkv" | "output" | "gateUp" | "down";

/** A change D of the layers' matrices that is computed beside them, such as LoRA's. */
export interface WeightDelta {
  /** y += x D^T; rows of y are as long as `matrix` is high. */
  forward(place: DeltaPlace, tensors: Record<"x" | "y", Tensor>, tokens: number): void;
  /** dx += dy D, and adds up the gradients of what D is made of. */
  backward(
    place: DeltaPlace,
    tensors: Record<"x" | "dy" | "dx" | "partial", Tensor>,
    tokens: number,
  ): void;
}
/** Which of a layer's matrices is changed. */
export interface DeltaPlace {
  layer: number;
  name: LayerMatrix;
  matrix: Matrix;
}

/** What a pass through the model reads. */
export interface Weights {
  readonly embedding: Matrix;
  readonly head: Matrix;
  readonly finalNorm: Tensor;
  readonly layers: readonly LayerParameters[];
  readonly delta?: WeightDelta;
}

/** Where a backward pass adds gradients; those of a delta are its own. */
export type WeightGradients = Partial<Omit<Weights, "delta">>;

type Size = "vocabulary" | "hidden" | "ff" | "queries" | "keys" | "head";

/**
 * A tensor of the model: the member of `Weights` or of `LayerParameters` that it is, or is stacked into with others; its
 * name in Hugging Face files, and in GGUF; its shape, [out, in] for a matrix; and which models have it, if not all.
 */
type TensorRow<Member> = readonly [
  member: Member,
  name: string,
  gguf: string,
  shape: readonly Size[],
  isIn?: (config: ModelConfig) => boolean,
];

const untied = (config: ModelConfig) => !config.tieWordEmbeddings;
const qkvBias = (config: ModelConfig) => config.qkvBias;
const qkNorm = (config: ModelConfig) => config.qkNorm;
const postNorms = (config: ModelConfig) => config.postNorms ?? false;
const noPostNorms = (config: ModelConfig) => !config.postNorms;

/** All tensors of an architecture, in the order of files, where the layers follow the embedding. */
const MODEL: readonly TensorRow<"embedding" | "finalNorm" | "head">[] = [
  ["embedding", "model.embed_tokens.weight", "token_embd.weight", ["vocabulary", "hidden"]],
  ["finalNorm", "model.norm.weight", "output_norm.weight", ["hidden"]],
  ["head", "lm_head.weight", "output.weight", ["vocabulary", "hidden"], untied],
];
const LAYER: readonly TensorRow<keyof LayerParameters>[] = [
  ["inputNorm", "input_layernorm.weight", "attn_norm.weight", ["hidden"]],
  ["qkv", "self_attn.q_proj.weight", "attn_q.weight", ["queries", "hidden"]],
  ["qkv", "self_attn.k_proj.weight", "attn_k.weight", ["keys", "hidden"]],
  ["qkv", "self_attn.v_proj.weight", "attn_v.weight", ["keys", "hidden"]],
  ["output", "self_attn.o_proj.weight", "attn_output.weight", ["hidden", "queries"]],
  ["qkvBias", "self_attn.q_proj.bias", "attn_q.bias", ["queries"], qkvBias],
  ["qkvBias", "self_attn.k_proj.bias", "attn_k.bias", ["keys"], qkvBias],
  ["qkvBias", "self_attn.v_proj.bias", "attn_v.bias", ["keys"], qkvBias],
  ["qNorm", "self_attn.q_norm.weight", "attn_q_norm.weight", ["head"], qkNorm],
  ["kNorm", "self_attn.k_norm.weight", "attn_k_norm.weight", ["head"], qkNorm],
  ["postNorm", "post_attention_layernorm.weight", "ffn_norm.weight", ["hidden"], noPostNorms],
  [
    "outputNorm",
    "post_attention_layernorm.weight",
    "post_attention_norm.weight",
    ["hidden"],
    postNorms,
  ],
  ["postNorm", "pre_feedforward_layernorm.weight", "ffn_norm.weight", ["hidden"], postNorms],
  ["gateUp", "mlp.gate_proj.weight", "ffn_gate.weight", ["ff", "hidden"]],
  ["gateUp", "mlp.up_proj.weight", "ffn_up.weight", ["ff", "hidden"]],
  ["down", "mlp.down_proj.weight", "ffn_down.weight", ["hidden", "ff"]],
  ["downNorm", "post_feedforward_layernorm.weight", "post_ffw_norm.weight", ["hidden"], postNorms],
];

/** A tensor of one model, from the tables above. */
export interface ModelTensor {
  member: string;
  /** The layer it is in; none for those outside of the layers. */
  layer?: number;
  name: string;
  gguf: string;
  shape: number[];
}

/** Every tensor of a model, in the order of its files. */
export function modelTensors(config: ModelConfig): ModelTensor[] {
  const sizes: Record<Size, number> = {
    vocabulary: config.vocabSize,
    hidden: config.hiddenSize,
    ff: config.intermediateSize,
    queries: config.numHeads * config.headDim,
    keys: config.numKeyValueHeads * config.headDim,
    head: config.headDim,
  };
  const those = (rows: readonly TensorRow<string>[]): ModelTensor[] =>
    rows.flatMap(([member, name, gguf, shape, isIn]) =>
      isIn?.(config) === false
        ? []
        : [{ member, name, gguf, shape: shape.map((size) => sizes[size]) }],
    );
  const [embedding, ...ends] = those(MODEL);
  const layers = Array.from({ length: config.numLayers }, (_, layer) =>
    those(LAYER).map(({ name, gguf, ...rest }) => ({
      ...rest,
      layer,
      name: `model.layers.${layer}.${name}`,
      gguf: `blk.${layer}.${gguf}`,
    })),
  );
  return [embedding, ...layers.flat(), ...ends];
}

/** The shapes of all tensors by their names. */
export const tensorShapes = (config: ModelConfig): Map<string, number[]> =>
  new Map(modelTensors(config).map(({ name, shape }) => [name, shape]));

/** What a member of the weights is called in a layout. */
export const memberKey = (member: string, layer?: number) =>
  layer === undefined ? member : `${layer}.${member}`;

/** The format of each matrix on the GPU, from the names of the tensors stacked in it and from its columns. */
export type MatrixFormats = (names: readonly string[], columns: number) => RowFormat;

/** Where every parameter of a model lives. */
export class ParameterLayout extends SlabLayout {
  constructor(
    readonly config: ModelConfig,
    limits: BindingLimits,
    formats?: MatrixFormats,
  ) {
    super(tensorShapes(config), limits);
    const stacks = Map.groupBy(modelTensors(config), ({ member, layer }) =>
      memberKey(member, layer),
    );
    const each = (inLayers: boolean, dimensions: number) => {
      for (const [key, tensors] of stacks) {
        const [{ layer, shape }] = tensors;
        if ((layer !== undefined) !== inLayers || shape.length !== dimensions) continue;
        const names = tensors.map(({ name }) => name);
        const maxRows = inLayers ? Infinity : VOCABULARY_BLOCK;
        const format = dimensions === 2 ? formats?.(names, shape[1]) : undefined;
        this.stack(key, names, { maxRows, format });
      }
    };
    each(false, 2);
    each(true, 2);
    each(true, 1);
    each(false, 1);
  }
}

/** All parameters of a model, their gradients, or their moments. */
export class Parameters extends Slabs<ParameterLayout> implements Weights {
  readonly embedding: Matrix;
  readonly head: Matrix;
  readonly finalNorm: Tensor;
  readonly layers: readonly LayerParameters[];

  constructor(alloc: Allocator, layout: ParameterLayout, part: MemoryPart, name: string) {
    super(alloc, layout, part, name);
    const { config } = layout;
    this.embedding = this.matrix("embedding");
    this.head = config.tieWordEmbeddings ? this.embedding : this.matrix("head");
    this.finalNorm = this.vector("finalNorm");
    const layers = Array.from({ length: config.numLayers }, () => ({}) as Record<string, unknown>);
    for (const { member, layer, shape } of modelTensors(config)) {
      if (layer === undefined) continue;
      const key = memberKey(member, layer);
      layers[layer][member] ??= shape.length === 2 ? this.matrix(key) : this.vector(key);
    }
    this.layers = layers as unknown as LayerParameters[];
  }
}

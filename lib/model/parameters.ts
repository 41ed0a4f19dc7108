import type { LayerAdapters } from "../../beyond/lora/lora.ts";
import type { WeightFormat } from "../../beyond/storage/weight-formats.ts";
import type { Allocator, MemoryPart, Tensor } from "../gpu/memory.ts";
import { type ModelConfig, tensorShapes } from "./config.ts";
import type { Matrix } from "./matrix.ts";
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
  postNorm: Tensor;
  /** Gate and up projections, stacked: [2 F, hidden]. */
  gateUp: Matrix;
  down: Matrix;
}

/** What a pass through the model reads: its parameters, and what LoRA adds to them. */
export interface Weights {
  readonly embedding: Matrix;
  readonly head: Matrix;
  readonly finalNorm: Tensor;
  readonly layers: readonly LayerParameters[];
  readonly adapters?: readonly LayerAdapters[];
}

/** Where a backward pass adds gradients: of all parameters, or of the adapters alone. */
export type WeightGradients = Partial<Weights>;

/** The format of each matrix on the GPU, from the names of the tensors stacked in it. */
export type MatrixFormats = (names: readonly string[]) => WeightFormat;

/** Where every parameter of a model lives. */
export class ParameterLayout extends SlabLayout {
  constructor(
    readonly config: ModelConfig,
    limits: BindingLimits,
    formats: MatrixFormats = () => "f32",
  ) {
    super(tensorShapes(config), limits);
    const place = (key: string, names: string[], maxRows = Infinity) =>
      this.placeMatrix(key, names, { maxRows, format: formats(names) });
    const tables = ["model.embed_tokens.weight"];
    if (!config.tieWordEmbeddings) tables.push("lm_head.weight");
    for (const name of tables) place(name, [name], VOCABULARY_BLOCK);
    for (let i = 0; i < config.numLayers; i++) {
      const attention = `model.layers.${i}.self_attn`;
      const mlp = `model.layers.${i}.mlp`;
      const stacked = ["q", "k", "v"].map((name) => `${attention}.${name}_proj.weight`);
      place(`${i}.qkv`, stacked);
      place(`${i}.output`, [`${attention}.o_proj.weight`]);
      const gateUp = ["gate", "up"].map((name) => `${mlp}.${name}_proj.weight`);
      place(`${i}.gateUp`, gateUp);
      place(`${i}.down`, [`${mlp}.down_proj.weight`]);
    }
    for (let i = 0; i < config.numLayers; i++) {
      const layer = `model.layers.${i}`;
      this.placeVector(`${i}.inputNorm`, [`${layer}.input_layernorm.weight`]);
      const biases = ["q", "k", "v"].map((name) => `${layer}.self_attn.${name}_proj.bias`);
      if (config.qkvBias) this.placeVector(`${i}.qkvBias`, biases);
      if (config.qkNorm) {
        this.placeVector(`${i}.qNorm`, [`${layer}.self_attn.q_norm.weight`]);
        this.placeVector(`${i}.kNorm`, [`${layer}.self_attn.k_norm.weight`]);
      }
      this.placeVector(`${i}.postNorm`, [`${layer}.post_attention_layernorm.weight`]);
    }
    this.placeVector("finalNorm", ["model.norm.weight"]);
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
    this.embedding = this.matrix("model.embed_tokens.weight");
    this.head = config.tieWordEmbeddings ? this.embedding : this.matrix("lm_head.weight");
    this.finalNorm = this.vector("finalNorm");
    this.layers = Array.from({ length: config.numLayers }, (_, i) => ({
      inputNorm: this.vector(`${i}.inputNorm`),
      qkv: this.matrix(`${i}.qkv`),
      ...(config.qkvBias && { qkvBias: this.vector(`${i}.qkvBias`) }),
      ...(config.qkNorm && {
        qNorm: this.vector(`${i}.qNorm`),
        kNorm: this.vector(`${i}.kNorm`),
      }),
      output: this.matrix(`${i}.output`),
      postNorm: this.vector(`${i}.postNorm`),
      gateUp: this.matrix(`${i}.gateUp`),
      down: this.matrix(`${i}.down`),
    }));
  }
}

import type { Allocator, MemoryPart } from "../../lib/gpu/memory.ts";
import type { ModelConfig } from "../../lib/model/config.ts";
import type { Matrix } from "../../lib/model/matrix.ts";
import { type LayerMatrix, type ModelTensor, modelTensors } from "../../lib/model/parameters.ts";
import { type BindingLimits, SlabLayout, Slabs } from "../../lib/model/slabs.ts";

/** The projections LoRA can adapt, by the name of the module that holds each in Hugging Face models. */
export const LORA_TARGETS = [
  "q_proj",
  "k_proj",
  "v_proj",
  "o_proj",
  "gate_proj",
  "up_proj",
  "down_proj",
] as const;
export type LoraTarget = (typeof LORA_TARGETS)[number];

/** Low-rank adaptation (Hu et al. 2021, arXiv 2106.09685): W + alpha / rank B A with W frozen. */
export interface LoraConfig {
  /** A multiple of 4: the kernels read rows as vec4. */
  rank: number;
  alpha: number;
  targets: readonly LoraTarget[];
}

/** What LoRA adds to one projection: y += scale (x A^T) B^T in the columns of y that the projection makes. */
export interface LowRank {
  /** [rank, inputs] */
  a: Matrix;
  /** [outputs, rank] */
  b: Matrix;
  /** Column of y where its outputs begin; not 0 where projections are stacked. */
  firstColumn: number;
  scale: number;
}

/** What is added in a decoder layer, by the matrix beside which it is computed. */
export type LayerLora = Readonly<Record<LayerMatrix, LowRank[]>>;

/** A tensor of the model that is adapted, and where its outputs begin among those stacked with it. */
interface Adapted extends ModelTensor {
  layer: number;
  member: LayerMatrix;
  firstColumn: number;
}

/** The tensors of a model that are adapted. */
function adapted(config: ModelConfig, { targets }: LoraConfig): Adapted[] {
  const ends = new Map<string, number>();
  return modelTensors(config).flatMap((tensor) => {
    const { layer, member, name, shape } = tensor;
    const stack = `${layer}.${member}`;
    const firstColumn = ends.get(stack) ?? 0;
    ends.set(stack, firstColumn + shape[0]);
    const isTarget = targets.some((target) => name.endsWith(`.${target}.weight`));
    if (layer === undefined || !isTarget) return [];
    return [{ ...tensor, layer, member: member as LayerMatrix, firstColumn }];
  });
}

/** PEFT's names of the matrices that adapt a model's tensor. */
export function loraNames(tensor: string): { a: string; b: string } {
  const module = `base_model.model.${tensor.replace(/\.weight$/, "")}`;
  return { a: `${module}.lora_A.weight`, b: `${module}.lora_B.weight` };
}

/** Every tensor of LoRA: PEFT's name to shape. */
export function loraShapes(config: ModelConfig, lora: LoraConfig): Map<string, number[]> {
  const shapes = new Map<string, number[]>();
  for (const { name, shape } of adapted(config, lora)) {
    const { a, b } = loraNames(name);
    shapes.set(a, [lora.rank, shape[1]]);
    shapes.set(b, [shape[0], lora.rank]);
  }
  return shapes;
}

/** Where the tensors of LoRA live. */
export class LoraLayout extends SlabLayout {
  constructor(
    readonly config: ModelConfig,
    readonly lora: LoraConfig,
    limits: BindingLimits,
  ) {
    super(loraShapes(config, lora), limits);
    for (const name of this.shapes.keys()) this.stack(name, [name]);
  }
}

/** All that LoRA trains of a model, its gradients, or its moments. */
export class LoraWeights extends Slabs<LoraLayout> {
  readonly lowRank: readonly LayerLora[];

  constructor(alloc: Allocator, layout: LoraLayout, part: MemoryPart, name: string) {
    super(alloc, layout, part, name);
    const { config, lora } = layout;
    const scale = lora.alpha / lora.rank;
    this.lowRank = Array.from({ length: config.numLayers }, () => {
      return { qkv: [], output: [], gateUp: [], down: [] };
    });
    for (const { layer, member, name, firstColumn } of adapted(config, lora)) {
      const { a, b } = loraNames(name);
      this.lowRank[layer][member].push({
        a: this.matrix(a),
        b: this.matrix(b),
        firstColumn,
        scale,
      });
    }
  }
}

/** Fresh values for a tensor of LoRA, as PEFT draws them: A uniform within 1 / sqrt(inputs), B zero. */
export function initialLora(
  name: string,
  shape: readonly number[],
  uniform: () => number,
): Float32Array {
  const data = new Float32Array(shape[0] * shape[1]);
  if (name.includes(".lora_B.")) return data;
  const bound = 1 / Math.sqrt(shape[1]);
  return data.map(() => bound * (2 * uniform() - 1));
}

import type { Allocator, MemoryPart, Tensor } from "../../lib/gpu/memory.ts";
import type { ModelConfig } from "../../lib/model/config.ts";
import type { Matrix } from "../../lib/model/matrix.ts";
import type { Ops } from "../../lib/model/ops.ts";
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

/** One adapter: y += scale (x A^T) B^T in the columns of y that its projection makes. */
export interface Adapter {
  /** [rank, inputs] */
  a: Matrix;
  /** [outputs, rank] */
  b: Matrix;
  /** Column of y where its outputs begin; not 0 where projections are stacked. */
  firstColumn: number;
  scale: number;
}

/** The adapters of a decoder layer, by the matrix beside which they work. */
export type LayerAdapters = Readonly<Record<"qkv" | "output" | "gateUp" | "down", Adapter[]>>;

interface Projection {
  target: LoraTarget;
  module: string;
  beside: keyof LayerAdapters;
  firstColumn: number;
  inputs: number;
  outputs: number;
}

/** The adapted projections of a layer. */
function projections(config: ModelConfig, { targets }: LoraConfig): Projection[] {
  const { hiddenSize: d, intermediateSize: ff, headDim } = config;
  const q = config.numHeads * headDim;
  const kv = config.numKeyValueHeads * headDim;
  const of = (
    target: LoraTarget,
    module: string,
    beside: keyof LayerAdapters,
    [firstColumn, inputs, outputs]: [number, number, number],
  ) => ({ target, module: `${module}.${target}`, beside, firstColumn, inputs, outputs });
  return [
    of("q_proj", "self_attn", "qkv", [0, d, q]),
    of("k_proj", "self_attn", "qkv", [q, d, kv]),
    of("v_proj", "self_attn", "qkv", [q + kv, d, kv]),
    of("o_proj", "self_attn", "output", [0, q, d]),
    of("gate_proj", "mlp", "gateUp", [0, d, ff]),
    of("up_proj", "mlp", "gateUp", [ff, d, ff]),
    of("down_proj", "mlp", "down", [0, ff, d]),
  ].filter(({ target }) => targets.includes(target));
}

/** PEFT's names of the matrices that adapt a model's tensor. */
export function adapterOf(tensor: string): { a: string; b: string } {
  const module = `base_model.model.${tensor.replace(/\.weight$/, "")}`;
  return { a: `${module}.lora_A.weight`, b: `${module}.lora_B.weight` };
}

/** Every tensor of the adapters: PEFT's name to shape. */
export function adapterShapes(config: ModelConfig, lora: LoraConfig): Map<string, number[]> {
  const shapes = new Map<string, number[]>();
  for (let layer = 0; layer < config.numLayers; layer++) {
    for (const projection of projections(config, lora)) {
      const { a, b } = adapterOf(`model.layers.${layer}.${projection.module}.weight`);
      shapes.set(a, [lora.rank, projection.inputs]);
      shapes.set(b, [projection.outputs, lora.rank]);
    }
  }
  return shapes;
}

/** Where the adapters of a model live. */
export class AdapterLayout extends SlabLayout {
  constructor(
    readonly config: ModelConfig,
    readonly lora: LoraConfig,
    limits: BindingLimits,
  ) {
    super(adapterShapes(config, lora), limits);
    for (const name of this.shapes.keys()) this.placeMatrix(name, [name]);
  }
}

/** All adapters of a model, their gradients, or their moments. */
export class Adapters extends Slabs<AdapterLayout> {
  readonly adapters: readonly LayerAdapters[];

  constructor(alloc: Allocator, layout: AdapterLayout, part: MemoryPart, name: string) {
    super(alloc, layout, part, name);
    const { config, lora } = layout;
    const scale = lora.alpha / lora.rank;
    this.adapters = Array.from({ length: config.numLayers }, (_, layer) => {
      const of: LayerAdapters = { qkv: [], output: [], gateUp: [], down: [] };
      for (const projection of projections(config, lora)) {
        const names = adapterOf(`model.layers.${layer}.${projection.module}.weight`);
        const [a, b] = [this.matrix(names.a), this.matrix(names.b)];
        of[projection.beside].push({ a, b, firstColumn: projection.firstColumn, scale });
      }
      return of;
    });
  }
}

/** Fresh values for an adapter's tensor, as PEFT draws them: A uniform within 1 / sqrt(inputs), B zero. */
export function initialAdapter(
  name: string,
  shape: readonly number[],
  uniform: () => number,
): Float32Array {
  const data = new Float32Array(shape[0] * shape[1]);
  if (name.includes(".lora_B.")) return data;
  const bound = 1 / Math.sqrt(shape[1]);
  return data.map(() => bound * (2 * uniform() - 1));
}

/** Tensors of one linear layer's pass; `low` [T, rank] is scratch. */
interface Pass {
  x: Tensor;
  low: Tensor;
}

/** y[T, yStride] += scale (x A^T) B^T for each adapter. */
export function addAdapters(
  ops: Ops,
  adapters: readonly Adapter[],
  { x, low, y }: Pass & { y: Tensor },
  tokens: number,
  yStride: number,
): void {
  for (const { a, b, firstColumn, scale } of adapters) {
    ops.linear.forward({ x, y: low, scale }, a, tokens);
    for (const block of b.blocks) {
      const column = firstColumn + block.firstRow;
      ops.linear.forwardBlock({ x: low, y, add: true }, b, block, tokens, yStride, column);
    }
  }
}

/**
 * With h = scale x A^T, which is computed anew, and dh = scale dy B:
 * dB += dy^T h, dA += dh^T x and dx += dh A.
 */
export function adaptersBackward(
  ops: Ops,
  adapters: readonly Adapter[],
  gradients: readonly Adapter[],
  { x, low, dLow, dy, dx, partial }: Pass & Record<"dLow" | "dy" | "dx" | "partial", Tensor>,
  tokens: number,
  yStride: number,
): void {
  adapters.forEach(({ a, b, firstColumn, scale }, i) => {
    const gradient = gradients[i];
    ops.linear.forward({ x, y: low, scale }, a, tokens);
    b.blocks.forEach(({ firstRow }, j) => {
      const product = { dy, x: low, dx: dLow, partial, scale };
      ops.linear.backwardBlock(product, b, gradient.b, j, tokens, yStride, firstColumn + firstRow);
    });
    ops.linear.backward({ dy: dLow, x, dx, partial, add: true }, a, gradient.a, tokens);
  });
}

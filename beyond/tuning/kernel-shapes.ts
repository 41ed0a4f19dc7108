import { MemoryPlanner } from "../../lib/gpu/memory.ts";
import type { ModelConfig } from "../../lib/model/config.ts";
import type { Matrix } from "../../lib/model/matrix.ts";
import type { Product } from "../../lib/model/ops/linear.ts";
import type { Weights } from "../../lib/model/parameters.ts";
import type { AttentionShape } from "../kernels/attention-choice.ts";
import type { MatmulShape } from "../kernels/matmul-family.ts";
import { shapeKey } from "../kernels/matmuls.ts";
import type { LoraConfig } from "../lora/lora.ts";
import { type AdapterLimits, PolicyMemory, type PolicyNeeds } from "../memory/memory-plan.ts";
import type { Dtype } from "../storage/precision.ts";
import type { WeightFormat } from "../storage/weight-formats.ts";

const MATRICES = ["qkv", "output", "gateUp", "down"] as const;

/** Every shape for which a policy may choose between kernels. */
export interface KernelShapes {
  /** Of the matrix products, the largest first. */
  readonly products: readonly MatmulShape[];
  readonly attention: AttentionShape;
}

/** @param lora what the model has or gets */
export function kernelShapes(
  config: ModelConfig,
  limits: AdapterLimits,
  needs: PolicyNeeds,
  lora: LoraConfig | null,
): KernelShapes {
  const plan = new MemoryPlanner(limits.bindingLimit, limits.bufferLimit, limits.alignment);
  const memory = new PolicyMemory(plan, config, needs, limits.variants, lora);
  const { dtype = "f32", learning } = needs;
  const shapes = new Map<string, MatmulShape>();
  const add = (product: Product, { rows: N, columns: K, format }: Matrix, dtype: Dtype) => {
    const shape = { product, K, N, format: format as WeightFormat, dtype };
    shapes.set(shapeKey(shape), shape);
  };
  const read = (matrix: Matrix, dtype: Dtype) => {
    add("forward", matrix, dtype);
    if (learning) add("backwardInput", matrix, dtype);
  };
  const { weights, rounded, reference, lora: added, gradients } = memory;
  for (const matrix of matricesOf(rounded ?? weights)) read(matrix, dtype);
  if (reference) for (const matrix of matricesOf(reference)) add("forward", matrix, dtype);
  for (const layer of added?.weights.lowRank ?? []) {
    for (const { a, b } of MATRICES.flatMap((name) => layer[name])) {
      read(a, dtype);
      read(b, "f32"); // the low-rank product
      add("backwardWeight", a, dtype);
      add("backwardWeight", b, "f32");
    }
  }
  if (gradients && "layers" in gradients) {
    for (const matrix of matricesOf(gradients)) add("backwardWeight", matrix, dtype);
  }
  const { numHeads: heads, numKeyValueHeads: kvHeads, headDim } = config;
  return {
    products: [...shapes.values()].sort((a, b) => b.K * b.N - a.K * a.N),
    attention: { heads, kvHeads, headDim, dtype },
  };
}

const matricesOf = ({ head, layers }: Pick<Weights, "head" | "layers">): Matrix[] => [
  head,
  ...layers.flatMap((layer) => MATRICES.map((name) => layer[name])),
];

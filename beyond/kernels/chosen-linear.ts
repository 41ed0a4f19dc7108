import type { Tensor } from "../../lib/gpu/memory.ts";
import type { Matrix } from "../../lib/model/matrix.ts";
import type { Kernels } from "../../lib/model/ops/kernels.ts";
import {
  addBackward,
  addForward,
  Linear,
  type LinearGradients,
  matmulParams,
  type Product,
} from "../../lib/model/ops/linear.ts";
import { dtypeOf } from "../storage/precision.ts";
import { constantsOf, MATMUL_FAMILIES, matmulName } from "./matmul-families.ts";
import { LARGEST_PARTS, LARGEST_SOURCE } from "./matmul-family.ts";
import { type Matmul, Matmuls } from "./matmuls.ts";
import type { Variants } from "./variants.ts";

/** y = x W^T by the matmul that the variants have for its shape. */
export class ChosenLinear extends Linear {
  private readonly matmuls: Matmuls;
  /** Multiply-adds of forward products whose kernels would have been long in compiling. */
  private multiplied = 0;
  private readonly patience: number;

  constructor(kernels: Kernels, variants: Variants) {
    super(kernels);
    this.matmuls = new Matmuls(variants);
    this.patience = variants.patience?.products ?? 0;
    for (const family of MATMUL_FAMILIES) {
      for (const tile of family.tiles) {
        const name = matmulName(family, tile);
        const source = tile.source ?? family.source;
        addForward(kernels, name, source, constantsOf(family, tile, variants), family.files);
        if (!family.makes(BACKWARD)) continue;
        const constants = constantsOf(family, tile, variants, true);
        addBackward(kernels, name, source, constants, family.files);
      }
    }
    kernels.add("matmul-largest", LARGEST_SOURCE, "reduce", { PARTS: LARGEST_PARTS });
  }

  protected override matmul(product: Product, matrix: Matrix, x: Tensor, rows: number): Matmul {
    const chosen = this.matmuls.of(product, matrix, dtypeOf(x), rows);
    if (!chosen.quicker || this.multiplied >= this.patience) return chosen;
    if (product === "forward") this.multiplied += rows * matrix.rows * matrix.columns;
    return chosen.quicker;
  }

  /** Where dy is rounded, its largest magnitude is found first, for both products. */
  override backwardBlock(
    tensors: LinearGradients,
    weight: Matrix,
    gradient: Matrix | undefined,
    i: number,
    rows: number,
    yStride: number,
    yColumn: number,
  ): void {
    const { dy, x, dx, partial } = tensors;
    const block = weight.blocks[i];
    const ofInput = dx && this.matmul("backwardInput", weight, x, rows);
    const ofWeight = gradient && this.matmul("backwardWeight", gradient, x, block.rows);
    if (ofInput?.roundsGradients || ofWeight?.roundsGradients) {
      const params = matmulParams(weight, block, rows, yStride, yColumn);
      this.kernels.run("matmul-largest.reduce", { dy, partial }, params, [LARGEST_PARTS]);
    }
    super.backwardBlock(tensors, weight, gradient, i, rows, yStride, yColumn);
  }
}

/** A family that makes a product of the backward pass makes some of this shape. */
const BACKWARD = { product: "backwardWeight", K: 32, N: 32, format: "f32", dtype: "f16" } as const;

import {
  constantsOf,
  LARGEST_PARTS,
  LARGEST_SOURCE,
  MATMUL_FAMILIES,
  matmulName,
  matmulSource,
} from "../../../beyond/kernels/matmul-families.ts";
import { Matmuls } from "../../../beyond/kernels/matmuls.ts";
import type { Variants } from "../../../beyond/kernels/variants.ts";
import { dtypeOf } from "../../../beyond/storage/precision.ts";
import biasSource from "../../../shaders/bias.wgsl" with { type: "text" };
import type { Tensor } from "../../gpu/memory.ts";
import type { Matrix, MatrixBlock } from "../matrix.ts";
import { ceil, type Kernels, ROW_CHUNK } from "./kernels.ts";
import { addWeightKernels, weightKernel, withWeights } from "./weights.ts";

/** What `forward` reads and writes; at most one of the options may be there. */
export interface LinearTensors {
  x: Tensor;
  y: Tensor;
  residual?: Tensor;
  bias?: Tensor;
  /** y = scale x W^T. */
  scale?: number;
  /** y += x W^T. */
  add?: boolean;
}

/** What `backward` reads and writes, `x` being that of the forward pass. */
interface LinearGradients {
  dy: Tensor;
  x: Tensor;
  /** Not made if it is left out. */
  dx?: Tensor;
  /** Scratch of LARGEST_PARTS elements or more. */
  partial: Tensor;
  /** dx = scale dy W. */
  scale?: number;
  /** dx += dy W. */
  add?: boolean;
}

/** y = x W^T by the matmul that the variants have for its shape, and the gradient of a bias. */
export class Linear {
  private readonly matmuls: Matmuls;

  constructor(
    private readonly kernels: Kernels,
    variants: Variants,
  ) {
    this.matmuls = new Matmuls(variants);
    const entries = "forward forward_add forward_residual forward_swiglu";
    for (const family of MATMUL_FAMILIES) {
      for (const tile of family.tiles) {
        const name = matmulName(family, tile);
        const source = matmulSource(family, tile);
        const constants = constantsOf(family, tile, variants);
        const backward = constantsOf(family, tile, variants, true);
        addWeightKernels(kernels, name, source, entries, constants);
        addWeightKernels(kernels, name, source, "backward_input", backward);
        kernels.add(name, withWeights(source, "f32"), "backward_weight", backward);
      }
    }
    kernels.add("matmul-largest", LARGEST_SOURCE, "reduce", { PARTS: LARGEST_PARTS });
    kernels.add("bias", biasSource, "backward reduce", { CHUNK: ROW_CHUNK });
  }

  /**
   * y[T, N] = x[T, K] W^T, or that with an option of `LinearTensors`. Rows of y are `yStride` apart (N
   * by default).
   */
  forward(tensors: LinearTensors, weight: Matrix, rows: number, yStride = weight.rows): void {
    for (const block of weight.blocks) {
      this.forwardBlock(tensors, weight, block, rows, yStride, block.firstRow);
    }
  }

  /** The columns of `forward` that one block of W makes, written from column `yColumn` on. */
  forwardBlock(
    { x, y, residual, bias, scale = 1, add = false }: LinearTensors,
    weight: Matrix,
    block: MatrixBlock,
    rows: number,
    yStride: number,
    yColumn: number,
  ): void {
    const params = matmulParams(weight, block, rows, yStride, yColumn);
    const matmul = this.matmuls.of("forward", weight, dtypeOf(x), rows);
    const groups = matmul.groups(rows, block.rows);
    const kernel = (entry: string) => weightKernel(matmul.name, weight.format, entry);
    const added = residual ?? bias;
    if (added) {
      const tensors = { x, w: block.tensor, y, residual: added };
      const strided = { ...params, residual_stride: residual ? yStride : 0 };
      this.kernels.run(kernel("forward_residual"), tensors, strided, groups);
    } else {
      const entry = add ? "forward_add" : "forward";
      this.kernels.run(kernel(entry), { x, w: block.tensor, y }, { ...params, scale }, groups);
    }
  }

  /**
   * y[T, F] = silu(x G^T) * (x U^T), W[2F, K] being G above U in one block: `forward` and `Swiglu.forward` in one,
   * with the same bits.
   */
  forwardSwiglu({ x, y }: { x: Tensor; y: Tensor }, weight: Matrix, rows: number): void {
    const [block] = weight.blocks;
    const width = weight.rows / 2;
    const params = { ...matmulParams(weight, block, rows, width, 0), outputs: width };
    const matmul = this.matmuls.of("forward", weight, dtypeOf(x), rows);
    const name = weightKernel(matmul.name, weight.format, "forward_swiglu");
    this.kernels.run(name, { x, w: block.tensor, y }, params, matmul.groups(rows, width));
  }

  /**
   * dx[T, K] = dy[T, N] W, or that with an option of `LinearGradients`, and, where a `gradient` is given, which has the
   * blocks of the weight, dW += dy^T x.
   */
  backward(
    tensors: LinearGradients,
    weight: Matrix,
    gradient: Matrix | undefined,
    rows: number,
    yStride = weight.rows,
  ): void {
    for (let i = 0; i < weight.blocks.length; i++) {
      const { firstRow } = weight.blocks[i];
      this.backwardBlock(tensors, weight, gradient, i, rows, yStride, firstRow);
    }
  }

  /** What block `i` contributes, its columns of dy beginning at `yColumn`; every block but the first adds to dx. */
  backwardBlock(
    { dy, x, dx, partial, scale = 1, add = false }: LinearGradients,
    weight: Matrix,
    gradient: Matrix | undefined,
    i: number,
    rows: number,
    yStride: number,
    yColumn: number,
  ): void {
    const dtype = dtypeOf(x);
    const block = weight.blocks[i];
    const params = matmulParams(weight, block, rows, yStride, yColumn);
    const ofInput = dx && this.matmuls.of("backwardInput", weight, dtype, rows);
    const ofWeight = gradient && this.matmuls.of("backwardWeight", gradient, dtype, block.rows);
    if (ofInput?.roundsGradients || ofWeight?.roundsGradients) {
      this.kernels.run("matmul-largest.reduce", { dy, partial }, params, [LARGEST_PARTS]);
    }
    if (ofInput) {
      const name = weightKernel(ofInput.name, weight.format, "backward_input");
      const options = { scale, add: add ? 1 : params.add };
      const groups = ofInput.groups(rows, weight.columns);
      this.kernels.run(
        name,
        { dy, w: block.tensor, dx, partial },
        { ...params, ...options },
        groups,
      );
    }
    if (ofWeight) {
      const tensors = { dy, x, dw: gradient.blocks[i].tensor, partial };
      const groups = ofWeight.groups(block.rows, weight.columns);
      this.kernels.run(`${ofWeight.name}.backward_weight`, tensors, params, groups);
    }
  }

  /** db[N] += the sum of the rows of dy[T, N]. `partial` holds rowPartialLength elements. */
  backwardBias(
    tensors: { dy: Tensor; db: Tensor; partial: Tensor },
    rows: number,
    columns: number,
  ) {
    const params = { rows, width: columns / 4 };
    const groups = ceil(params.width, 64);
    this.kernels.run("bias.backward", tensors, params, [groups, ceil(rows, ROW_CHUNK)]);
    this.kernels.run("bias.reduce", tensors, params, [groups]);
  }
}

function matmulParams(
  weight: Matrix,
  block: MatrixBlock,
  rows: number,
  yStride: number,
  yColumn: number,
) {
  return {
    rows,
    outputs: block.rows,
    inputs: weight.columns,
    y_stride: yStride,
    residual_stride: yStride,
    y_column: yColumn,
    add: block.firstRow > 0 ? 1 : 0,
    scale: 1,
  };
}

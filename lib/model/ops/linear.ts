import biasSource from "../../../shaders/bias.wgsl" with { type: "text" };
import type { Tensor } from "../../gpu/memory.ts";
import type { Variants } from "../../gpu/variants.ts";
import type { Matrix, MatrixBlock } from "../matrix.ts";
import { dtypeOf } from "../precision.ts";
import { ceil, type Kernels, ROW_CHUNK } from "./kernels.ts";
import { constantsOf, MATMUL_FAMILIES, Matmuls, matmulName, matmulSource } from "./matmuls.ts";
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

/** What `backwardInput` reads and writes. */
interface LinearGradients {
  dy: Tensor;
  dx: Tensor;
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
    const entries = "forward forward_add forward_residual forward_swiglu backward_input";
    for (const family of MATMUL_FAMILIES) {
      for (const tile of family.tiles) {
        const name = matmulName(family, tile);
        const constants = constantsOf(family, tile, variants);
        const source = matmulSource(family, tile);
        addWeightKernels(kernels, name, source, entries, constants);
        const trained = withWeights(source, "f32");
        kernels.add(name, trained, "backward_weight", constants);
      }
    }
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

  /** dx[T, K] = dy[T, N] W, or that with an option of `LinearGradients`. */
  backwardInput(
    tensors: LinearGradients,
    weight: Matrix,
    rows: number,
    yStride = weight.rows,
  ): void {
    for (const block of weight.blocks) {
      this.backwardInputBlock(tensors, weight, block, rows, yStride, block.firstRow);
    }
  }

  /** What one block of W contributes to dx; every block but the first adds. */
  backwardInputBlock(
    { dy, dx, scale = 1, add = false }: LinearGradients,
    weight: Matrix,
    block: MatrixBlock,
    rows: number,
    yStride: number,
    yColumn: number,
  ): void {
    const params = matmulParams(weight, block, rows, yStride, yColumn);
    const matmul = this.matmuls.of("backwardInput", weight, "f32", rows);
    const groups = matmul.groups(rows, weight.columns);
    const options = { scale, add: add ? 1 : params.add };
    const tensors = { dy, w: block.tensor, dx };
    const name = weightKernel(matmul.name, weight.format, "backward_input");
    this.kernels.run(name, tensors, { ...params, ...options }, groups);
  }

  /** dW += dy[T, N]^T x[T, K]. `gradient` has the blocks of the weight. */
  backwardWeight(
    tensors: { dy: Tensor; x: Tensor },
    gradient: Matrix,
    rows: number,
    yStride = gradient.rows,
  ): void {
    for (const block of gradient.blocks) {
      this.backwardWeightBlock(tensors, gradient, block, rows, yStride, block.firstRow);
    }
  }

  backwardWeightBlock(
    { dy, x }: { dy: Tensor; x: Tensor },
    gradient: Matrix,
    block: MatrixBlock,
    rows: number,
    yStride: number,
    yColumn: number,
  ): void {
    const params = matmulParams(gradient, block, rows, yStride, yColumn);
    const matmul = this.matmuls.of("backwardWeight", gradient, dtypeOf(x), block.rows);
    const groups = matmul.groups(block.rows, gradient.columns);
    this.kernels.run(`${matmul.name}.backward_weight`, { dy, x, dw: block.tensor }, params, groups);
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

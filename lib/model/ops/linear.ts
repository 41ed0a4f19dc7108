import biasSource from "../../../shaders/bias.wgsl" with { type: "text" };
import matmulSource from "../../../shaders/matmul.wgsl" with { type: "text" };
import type { Tensor } from "../../gpu/memory.ts";
import type { Variants } from "../../gpu/variants.ts";
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

/** What `backwardInput` reads and writes. */
interface LinearGradients {
  dy: Tensor;
  dx: Tensor;
  /** dx = scale dy W. */
  scale?: number;
  /** dx += dy W. */
  add?: boolean;
}

/** y = x W^T: shaders/matmul.wgsl, and the gradient of a bias. */
export class Linear {
  /** Rows and columns of a product that one workgroup makes. */
  private readonly tileRows: number;
  private readonly tileColumns: number;

  constructor(
    private readonly kernels: Kernels,
    { tile, tileGroup }: Variants,
  ) {
    this.tileRows = tile[0] * tileGroup[0];
    this.tileColumns = tile[1] * tileGroup[1];
    const constants = {
      TILE_ROWS: tile[0],
      TILE_COLUMNS: tile[1],
      GROUP_X: tileGroup[1],
      GROUP_Y: tileGroup[0],
    };
    const entries = "forward forward_add forward_residual backward_input";
    addWeightKernels(kernels, "matmul", matmulSource, entries, constants);
    const trainable = withWeights(matmulSource, "f32");
    kernels.add("matmul", trainable, "backward_weight", constants);
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
    const groups = this.tiles(rows, block.rows);
    const kernel = (entry: string) => weightKernel("matmul", weight.format, entry);
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
    const groups = this.tiles(rows, weight.columns);
    const options = { scale, add: add ? 1 : params.add };
    const tensors = { dy, w: block.tensor, dx };
    const name = weightKernel("matmul", weight.format, "backward_input");
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
    const groups = this.tiles(block.rows, gradient.columns);
    this.kernels.run("matmul.backward_weight", { dy, x, dw: block.tensor }, params, groups);
  }

  /** db[N] += the sum of the rows of dy[T, N]. `partial` holds rowPartialLength elements. */
  backwardBias(
    tensors: { dy: Tensor; db: Tensor; partial: Tensor },
    rows: number,
    columns: number,
  ) {
    const params = { rows, columns };
    const groups = ceil(columns, 64);
    this.kernels.run("bias.backward", tensors, params, [groups, ceil(rows, ROW_CHUNK)]);
    this.kernels.run("bias.reduce", tensors, params, [groups]);
  }

  /** Workgroups of a product [rows, columns]. */
  private tiles(rows: number, columns: number) {
    return [ceil(columns, this.tileColumns), ceil(rows, this.tileRows)] as const;
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

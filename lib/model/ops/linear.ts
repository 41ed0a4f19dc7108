import biasSource from "../../../shaders/bias.wgsl" with { type: "text" };
import plainSource from "../../../shaders/matmul.wgsl" with { type: "text" };
import tiledSource from "../../../shaders/matmul-tiled.wgsl" with { type: "text" };
import type { Tensor } from "../../gpu/memory.ts";
import { TILED_MATMULS, type Variants } from "../../gpu/variants.ts";
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

/** y = x W^T by the matmul of the adapter, and the gradient of a bias. */
export class Linear {
  private readonly matmuls: readonly Matmul[];

  constructor(
    private readonly kernels: Kernels,
    variants: Variants,
  ) {
    this.matmuls = variants.matmul === "tiled" ? tiledMatmuls() : [plainMatmul(variants)];
    const entries = "forward forward_add forward_residual backward_input";
    for (const { name, source, constants } of this.matmuls) {
      addWeightKernels(kernels, name, source, entries, constants);
      kernels.add(name, withWeights(source, "f32"), "backward_weight", constants);
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
    const matmul = this.matmulFor(rows);
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
    const matmul = this.matmulFor(rows);
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
    const { name, groups } = this.matmulFor(block.rows);
    const tiles = groups(block.rows, gradient.columns);
    this.kernels.run(`${name}.backward_weight`, { dy, x, dw: block.tensor }, params, tiles);
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

  /** The matmul for a product of so many rows. */
  private matmulFor(rows: number): Matmul {
    return this.matmuls.find(({ upToRows }) => rows <= upToRows) as Matmul;
  }
}

/** A matmul shader with its tiles. All that one adapter uses add in the same order. */
interface Matmul {
  /** Of its kernels. */
  readonly name: string;
  readonly source: string;
  readonly constants: Record<string, number>;
  /** The most rows that a product may have. */
  readonly upToRows: number;
  /** Workgroups of a product [rows, columns]. */
  groups(rows: number, columns: number): readonly [number, number];
}

function plainMatmul({ tile, tileGroup }: Pick<Variants, "tile" | "tileGroup">): Matmul {
  const [tileRows, tileColumns] = [tile[0] * tileGroup[0], tile[1] * tileGroup[1]];
  return {
    name: "matmul",
    source: plainSource,
    constants: {
      TILE_ROWS: tile[0],
      TILE_COLUMNS: tile[1],
      GROUP_X: tileGroup[1],
      GROUP_Y: tileGroup[0],
    },
    upToRows: Number.POSITIVE_INFINITY,
    groups: (rows, columns) => [ceil(columns, tileColumns), ceil(rows, tileRows)],
  };
}

const tiledMatmuls = (): Matmul[] =>
  TILED_MATMULS.map(({ upToRows, rows, vectors, groupX, groupY }) => ({
    name: `matmul-tiled-${rows * groupY}`,
    source: tiledSource,
    constants: { ROWS: rows, VECTORS: vectors, GROUP_X: groupX, GROUP_Y: groupY },
    upToRows,
    groups: (outputs, columns) => [
      ceil(columns, 4 * vectors * groupX),
      ceil(outputs, rows * groupY),
    ],
  }));

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

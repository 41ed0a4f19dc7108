import biasSource from "../../../shaders/bias.wgsl" with { type: "text" };
import matmulSource from "../../../shaders/matmul.wgsl" with { type: "text" };
import type { Tensor } from "../../gpu/memory.ts";
import type { Files } from "../../gpu/wgsl.ts";
import type { Matrix, MatrixBlock } from "../matrix.ts";
import { OUTPUTS } from "./files.ts";
import { type Constants, ceil, type Kernels, ofFormat, ROW_CHUNK } from "./kernels.ts";

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
export interface LinearGradients {
  dy: Tensor;
  x: Tensor;
  /** Not made if it is left out. */
  dx?: Tensor;
  /** Scratch for those who make products otherwise: LEAST_PARTIAL elements or more. */
  partial: Tensor;
  /** dx = scale dy W. */
  scale?: number;
  /** dx += dy W. */
  add?: boolean;
}

/** The products of a layer, as shaders/matmul.wgsl has them. */
export type Product = "forward" | "backwardInput" | "backwardWeight";

/** What makes a product: the name of its kernels, and the workgroups of [rows, columns] outputs. */
export interface Matmul {
  readonly name: string;
  groups(rows: number, columns: number): readonly [number, number];
}

/** Outputs of an invocation, and invocations of a workgroup. */
const TILE = { TILE_ROWS: 4, TILE_COLUMNS: 8, GROUP_X: 8, GROUP_Y: 8 };
const PLAIN: Matmul = {
  name: "matmul",
  groups: (rows, columns) => [
    ceil(columns, TILE.TILE_COLUMNS * TILE.GROUP_X),
    ceil(rows, TILE.TILE_ROWS * TILE.GROUP_Y),
  ],
};

/** Names the products of a shader that includes linear.wgsl, for every format and output. */
export function addForward(
  kernels: Kernels,
  name: string,
  source: string,
  constants: Constants,
  files?: Files,
) {
  kernels.addReading(name, source, "forward_swiglu", constants, files);
  for (const [to, output] of Object.entries(OUTPUTS)) {
    const all = { ...files, "outputs/store.wgsl": output };
    kernels.addReading(`${name}${to}`, source, "forward", constants, all);
  }
}

/** The same of the backward pass. */
export function addBackward(
  kernels: Kernels,
  name: string,
  source: string,
  constants: Constants,
  files?: Files,
) {
  kernels.addReading(name, source, "backward_input", constants, files);
  kernels.add(name, source, "backward_weight", constants, files);
}

/** shaders/matmul.wgsl: y = x W^T; shaders/bias.wgsl: the gradient of a bias. */
export class Linear {
  constructor(protected readonly kernels: Kernels) {
    addForward(kernels, PLAIN.name, matmulSource, TILE);
    addBackward(kernels, PLAIN.name, matmulSource, TILE);
    kernels.add("bias", biasSource, "backward reduce", { CHUNK: ROW_CHUNK });
  }

  /** What makes a product with these factors, `rows` of outputs. */
  protected matmul(_product: Product, _matrix: Matrix, _x: Tensor, _rows: number): Matmul {
    return PLAIN;
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
    const { name, groups } = this.matmul("forward", weight, x, rows);
    const added = residual ?? bias;
    const to = added ? "+residual" : add ? "+add" : "";
    const kernel = `${ofFormat(`${name}${to}`, weight.format)}.forward`;
    const tensors = { x, w: block.tensor, y, ...(added && { residual: added }) };
    const options = { scale, residual_stride: residual ? yStride : 0 };
    this.kernels.run(kernel, tensors, { ...params, ...options }, groups(rows, block.rows));
  }

  /**
   * y[T, F] = silu(x G^T) * (x U^T), W[2F, K] being G above U in one block: `forward` and `Swiglu.forward` in one,
   * with the same bits.
   */
  forwardSwiglu({ x, y }: { x: Tensor; y: Tensor }, weight: Matrix, rows: number): void {
    const [block] = weight.blocks;
    const width = weight.rows / 2;
    const params = { ...matmulParams(weight, block, rows, width, 0), outputs: width };
    const { name, groups } = this.matmul("forward", weight, x, rows);
    const kernel = `${ofFormat(name, weight.format)}.forward_swiglu`;
    this.kernels.run(kernel, { x, w: block.tensor, y }, params, groups(rows, width));
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
    const block = weight.blocks[i];
    const params = matmulParams(weight, block, rows, yStride, yColumn);
    if (dx) {
      const { name, groups } = this.matmul("backwardInput", weight, x, rows);
      const kernel = `${ofFormat(name, weight.format)}.backward_input`;
      const tensors = { dy, w: block.tensor, dx, partial };
      const options = { scale, add: add ? 1 : params.add };
      this.kernels.run(kernel, tensors, { ...params, ...options }, groups(rows, weight.columns));
    }
    if (gradient) {
      const { name, groups } = this.matmul("backwardWeight", gradient, x, block.rows);
      const tensors = { dy, x, dw: gradient.blocks[i].tensor, partial };
      this.kernels.run(
        `${name}.backward_weight`,
        tensors,
        params,
        groups(block.rows, weight.columns),
      );
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

export function matmulParams(
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

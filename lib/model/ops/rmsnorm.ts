import rmsnormSource from "../../../shaders/rmsnorm.wgsl" with { type: "text" };
import type { Tensor } from "../../gpu/memory.ts";
import { ceil, type Kernels, ROW_CHUNK } from "./kernels.ts";

/** Which heads a norm is over: `heads` side by side from element `first` of a token's `stride`. */
export interface NormedHeads {
  heads: number;
  stride: number;
  first: number;
}

/** shaders/rmsnorm.wgsl: of whole tokens, or of some of their heads. `offset` is added to all weights. */
export class Rmsnorm {
  constructor(
    private readonly kernels: Kernels,
    private readonly offset = 0,
  ) {
    kernels.addRows(
      "rmsnorm",
      rmsnormSource,
      "forward forward_add backward_input backward_in_place",
    );
    const chunks = { CHUNK: ROW_CHUNK };
    kernels.add("rmsnorm", rmsnormSource, "backward_weight reduce_weight", chunks);
  }

  /** y[T, D] = x / rms(x) * w, plus `added`; saves 1 / rms in inverse_rms[T]. `heads`: of the heads of T tokens. */
  forward(
    tensors: { x: Tensor; w: Tensor; y: Tensor; inverse_rms: Tensor; added?: Tensor },
    tokens: number,
    columns: number,
    epsilon: number,
    heads?: NormedHeads,
  ): void {
    const params = this.params(tokens, columns, epsilon, heads);
    const name = tensors.added ? "rmsnorm.forward_add" : "rmsnorm.forward";
    this.kernels.runRows(name, tensors as Record<string, Tensor>, params, params.rows, columns);
  }

  /** dx += the gradient of `forward`; dw, if given, += likewise. `partial` holds rowPartialLength elements. */
  backward(
    tensors: {
      x: Tensor;
      w: Tensor;
      inverse_rms: Tensor;
      dy: Tensor;
      dx: Tensor;
      dw?: Tensor;
      partial: Tensor;
    },
    rows: number,
    columns: number,
  ): void {
    const { dw, ...rest } = tensors;
    const params = this.params(rows, columns, 0);
    this.kernels.runRows("rmsnorm.backward_input", rest, params, rows, columns);
    if (dw) this.backwardWeight({ ...rest, dw }, params);
  }

  /** Turns dy, the gradient of the normed heads of T tokens, into that of the heads; dw as above. */
  backwardHeads(
    tensors: {
      x: Tensor;
      w: Tensor;
      inverse_rms: Tensor;
      dy: Tensor;
      dw?: Tensor;
      partial: Tensor;
    },
    tokens: number,
    columns: number,
    heads: NormedHeads,
  ): void {
    const params = this.params(tokens, columns, 0, heads);
    const { dy, dw, ...rest } = tensors;
    if (dw) this.backwardWeight({ ...rest, dy, dw }, params);
    const name = "rmsnorm.backward_in_place";
    this.kernels.runRows(name, { ...rest, dx: dy }, params, params.rows, columns);
  }

  private backwardWeight(
    tensors: Readonly<Record<string, Tensor>>,
    params: ReturnType<Rmsnorm["params"]>,
  ): void {
    const groups = ceil(params.width, 64);
    const chunks = ceil(params.rows, ROW_CHUNK);
    this.kernels.run("rmsnorm.backward_weight", tensors, params, [groups, chunks]);
    this.kernels.run("rmsnorm.reduce_weight", tensors, params, [groups]);
  }

  private params(tokens: number, columns: number, epsilon: number, at?: NormedHeads) {
    const { heads, stride, first } = at ?? { heads: 1, stride: columns, first: 0 };
    const vectors = { width: columns / 4, stride: stride / 4, first: first / 4 };
    return { rows: tokens * heads, epsilon, heads, ...vectors, offset: this.offset };
  }
}

import adamwSource from "../../../shaders/adamw.wgsl" with { type: "text" };
import type { Tensor } from "../../gpu/memory.ts";
import { ceil, type Kernels } from "./kernels.ts";

/** Elements that one partial sum of adamw's square is over. */
export const SQUARE_CHUNK = 1024;

/** Partial sums that the gradient norm needs for `count` elements. */
export const squareChunks = (count: number) => ceil(count, SQUARE_CHUNK);

/** AdamW's scalars for one update; see shaders/adamw.wgsl. */
export type AdamwParams = Readonly<
  Record<
    "max_norm" | "decay" | "beta1" | "beta2" | "step_size" | "root_correction" | "epsilon",
    number
  >
>;

/** shaders/adamw.wgsl: the norm of the gradient, and the update. */
export class Adamw {
  constructor(private readonly kernels: Kernels) {
    const chunk = { CHUNK: SQUARE_CHUNK };
    kernels.addRows("adamw", adamwSource, "square total", chunk);
    kernels.add("adamw", adamwSource, "update", chunk);
  }

  /** partial[chunkOffset...] = sums of squares of `count` elements of dw, and whether they are finite. */
  square(
    tensors: { dw: Tensor; partial: Tensor },
    count: number,
    chunkOffset: number,
    params: AdamwParams,
  ): void {
    const all = adamwParams(params, { count, chunk_offset: chunkOffset });
    this.kernels.runRows("adamw.square", tensors, all, squareChunks(count), SQUARE_CHUNK);
  }

  /** summary = (norm, 1 if anything was not finite) from all the partial sums. */
  total(tensors: { partial: Tensor; summary: Tensor }, chunks: number, params: AdamwParams) {
    this.kernels.runRows("adamw.total", tensors, adamwParams(params, { chunks }), 1, chunks);
  }

  /** Moves `count` elements of w. */
  update(
    tensors: Record<"w" | "dw" | "m" | "v" | "summary", Tensor>,
    count: number,
    params: AdamwParams,
  ): void {
    this.kernels.run("adamw.update", tensors, adamwParams(params, { count }), [ceil(count, 256)]);
  }
}

/** The shader's `Params` for a range of elements. */
export function adamwParams(params: AdamwParams, range: Record<string, number>) {
  const rest = { rest1: 1 - params.beta1, rest2: 1 - params.beta2 };
  return { ...params, ...rest, count: 0, chunk_offset: 0, chunks: 0, key: 0, ...range };
}

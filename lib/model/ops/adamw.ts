import adamw8Source from "../../../beyond/storage/adamw8.wgsl" with { type: "text" };
import adamwSource from "../../../shaders/adamw.wgsl" with { type: "text" };
import type { Tensor } from "../../gpu/memory.ts";
import { ceil, type Kernels, withRows } from "./kernels.ts";

/** Elements that one partial sum of adamw's square is over. */
export const SQUARE_CHUNK = 1024;

/** Partial sums that the gradient norm needs for `count` elements. */
export const squareChunks = (count: number) => ceil(count, SQUARE_CHUNK);

/** Elements that share a scale where moments take a byte. */
export const MOMENT_BLOCK = 256;

/** AdamW's scalars for one update; see shaders/adamw.wgsl. */
export type AdamwParams = Readonly<
  Record<
    "max_norm" | "decay" | "beta1" | "beta2" | "step_size" | "root_correction" | "epsilon",
    number
  >
>;

/** shaders/adamw.wgsl and adamw8.wgsl: the norm of the gradient, and the update. */
export class Adamw {
  constructor(private readonly kernels: Kernels) {
    const chunk = { CHUNK: SQUARE_CHUNK };
    kernels.addShared("adamw", adamwSource, "square total", chunk);
    kernels.add("adamw", withRows(adamwSource), "update update_rounded", chunk);
    kernels.addShared("adamw8", `${adamwSource}\n${adamw8Source}`, "update_8bit", chunk);
  }

  /** partial[chunkOffset...] = sums of squares of `count` elements of dw, and whether they are finite. */
  square(
    tensors: { dw: Tensor; partial: Tensor },
    count: number,
    chunkOffset: number,
    params: AdamwParams,
  ): void {
    const all = adamwParams(params, { count, chunk_offset: chunkOffset });
    this.kernels.runShared("adamw.square", tensors, all, squareChunks(count), SQUARE_CHUNK);
  }

  /** summary = (norm, 1 if anything was not finite) from all the partial sums. */
  total(tensors: { partial: Tensor; summary: Tensor }, chunks: number, params: AdamwParams) {
    this.kernels.runShared("adamw.total", tensors, adamwParams(params, { chunks }), 1, chunks);
  }

  /** Moves `count` elements of w; `copy`, if given, gets them rounded to f16. */
  update(
    tensors: { w: Tensor; dw: Tensor; m: Tensor; v: Tensor; summary: Tensor; copy?: Tensor },
    count: number,
    params: AdamwParams,
  ): void {
    const { copy, ...rest } = tensors;
    const all = adamwParams(params, { count });
    const groups = [ceil(count, 64)] as const;
    if (copy) this.kernels.run("adamw.update_rounded", { ...rest, copy }, all, groups);
    else this.kernels.run("adamw.update", rest, all, groups);
  }

  /** The same with moments of a byte each; `key` is that of the step's random numbers. */
  update8bit(
    tensors: { w: Tensor; dw: Tensor; m8: Tensor; v8: Tensor; scales: Tensor; summary: Tensor },
    count: number,
    params: AdamwParams,
    key: number,
  ): void {
    const all = adamwParams(params, { count, key });
    const blocks = ceil(count, MOMENT_BLOCK);
    this.kernels.runShared("adamw8.update_8bit", tensors, all, blocks, MOMENT_BLOCK);
  }
}

function adamwParams(params: AdamwParams, range: Record<string, number>) {
  const rest = { rest1: 1 - params.beta1, rest2: 1 - params.beta2 };
  return { ...params, ...rest, count: 0, chunk_offset: 0, chunks: 0, key: 0, ...range };
}

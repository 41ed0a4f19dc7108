import type { Tensor } from "../../lib/gpu/memory.ts";
import { include } from "../../lib/gpu/wgsl.ts";
import type { BackwardTensors } from "../../lib/model/ops/attention.ts";
import { type HeadShape, headParams, KEY_CHUNK } from "../../lib/model/ops/heads.ts";
import { ceil, type Kernels, ROW_CHUNK } from "../../lib/model/ops/kernels.ts";
import { dtypeOf } from "../storage/precision.ts";
import { type AttentionVariants, type Family, LEAST_MEMORY } from "./attention-family.ts";
import forwardSource from "./attention-matrix.wgsl" with { type: "text" };
import backwardSource from "./attention-matrix-backward.wgsl" with { type: "text" };
import pairsSource from "./attention-matrix-pairs.wgsl" with { type: "text" };
import { QUERY_FILES, queryGroups } from "./attention-queries.ts";
import { TiledAttention, tiled } from "./attention-tiled.ts";
import rangeSource from "./f16-range.wgsl" with { type: "text" };
import type { SubgroupMatrix } from "./subgroups.ts";

/** Workgroup memory of every adapter that has subgroup matrices. */
const MEMORY = 32_768;
const TILE = 16;
const SUBGROUPS = 4;
const INVOCATIONS = 32 * SUBGROUPS;
/** Keys, or queries, that are staged at a time: the most that memory has room for. */
const BLOCKS = [64, 32, 16] as const;

/** The shaders, whole. */
export const MATRIX_SOURCES = {
  forward: include(forwardSource, QUERY_FILES),
  backward: include(backwardSource, {
    ...QUERY_FILES,
    "attention-matrix-pairs.wgsl": pairsSource,
    "f16-range.wgsl": rangeSource,
  }),
} as const;

/** Bytes of workgroup memory that attention-matrix.wgsl declares. */
export function forwardMemory(headDim: number, piece: number): number {
  const rows = 8 * (TILE + piece) * (headDim / 4 + 2);
  const weights = 8 * TILE * (KEY_CHUNK / 4 + 2);
  return rows + weights + 4 * TILE * (KEY_CHUNK + 4) + 8 * INVOCATIONS;
}

/** The same of attention-matrix-backward.wgsl, for backward_key, which needs most. */
export function backwardMemory(headDim: number, block: number): number {
  const rows = 16 * (TILE + block) * (headDim / 4 + 2);
  const products = 4 * TILE * Math.max(2 * (block + 4), headDim + 4);
  return rows + products + 16 * TILE * (block / 4 + 2) + 12 * block;
}

/** The constants of both shaders for heads that matrices divide, and that a chunk's scores give room to. */
export function matrixConstants(
  headDim: number,
  { M, N, K }: Pick<SubgroupMatrix, "M" | "N" | "K">,
  memory = MEMORY,
): Record<keyof typeof MATRIX_SOURCES, Record<string, number>> | null {
  const piece = BLOCKS.find((keys) => forwardMemory(headDim, keys) <= memory);
  const block = BLOCKS.find((rows) => backwardMemory(headDim, rows) <= memory);
  if (!piece || !block || headDim % 16 !== 0 || headDim > KEY_CHUNK) return null;
  const shared = { M, N, K, HEAD_DIM: headDim };
  const matrices = (columns: number) => (TILE / M) * (columns / N);
  return {
    forward: {
      ...shared,
      PIECE: piece,
      SCORE_MATRICES: ceil(matrices(piece), SUBGROUPS),
      VALUE_MATRICES: ceil(matrices(headDim), SUBGROUPS),
      VECTORS: ceil((TILE * headDim) / 4, INVOCATIONS),
      CHUNK: KEY_CHUNK,
    },
    backward: {
      ...shared,
      BLOCK: block,
      PRODUCT_MATRICES: ceil(2 * matrices(block), SUBGROUPS),
      SUM_MATRICES: ceil(2 * matrices(headDim), SUBGROUPS),
    },
  };
}

/** beyond/kernels/attention-matrix.wgsl and attention-matrix-backward.wgsl: by subgroup matrices, of q, k and v in f16; else tiled. */
export const matrix: Family<"matrix"> = {
  name: "matrix",
  sources: MATRIX_SOURCES,
  requires: "subgroup matrices of f16",
  hasMemory: true,
  memories: (headDim, _, matrices) =>
    matrices && matrixConstants(headDim, matrices) ? [LEAST_MEMORY] : [],
  create: (kernels, headDim, variants) => {
    const { subgroupMatrix } = variants;
    const constants = subgroupMatrix && matrixConstants(headDim, subgroupMatrix);
    return constants
      ? new MatrixAttention(kernels, headDim, variants, constants)
      : tiled.create(kernels, headDim, variants);
  },
  describe: (variants) => ` in f16, else tiled${tiled.describe(variants)}`,
};

class MatrixAttention extends TiledAttention {
  override readonly roundsGradients = true;

  constructor(
    kernels: Kernels,
    headDim: number,
    variants: AttentionVariants,
    constants: NonNullable<ReturnType<typeof matrixConstants>>,
  ) {
    super(kernels, headDim, variants);
    for (const { name, mostTokens } of [TOKENS, ONE_TOKEN]) {
      const given = { ...constants.forward, MOST_TOKENS: mostTokens };
      kernels.add(name, MATRIX_SOURCES.forward, "forward forward_chunk", given);
    }
    const entries = "backward_delta backward_query backward_key";
    kernels.add(TOKENS.name, MATRIX_SOURCES.backward, entries, constants.backward);
  }

  protected override forwardTile(q: Tensor, shape: HeadShape, isDecoding: boolean) {
    if (dtypeOf(q) === "f32") return super.forwardTile(q, shape, isDecoding);
    return isDecoding ? ONE_TOKEN : TOKENS;
  }

  override backward(tensors: BackwardTensors, tokens: number, shape: HeadShape): void {
    if (dtypeOf(tensors.q) === "f32") {
      super.backward(tensors, tokens, shape);
      return;
    }
    const params = headParams(tokens, shape);
    const chunks = [ceil(tokens, ROW_CHUNK), shape.heads] as const;
    const keys = [ceil(tokens, TILE), shape.kvHeads] as const;
    const queries = queryGroups(tokens, shape, TOKENS);
    this.kernels.run(`${TOKENS.name}.backward_delta`, tensors, params, chunks);
    this.kernels.run(`${TOKENS.name}.backward_query`, tensors, params, queries);
    this.kernels.run(`${TOKENS.name}.backward_key`, tensors, params, keys);
  }
}

const TOKENS = { name: "attention-matrix", tile: TILE, mostTokens: TILE };
const ONE_TOKEN = { name: "attention-matrix-token", tile: TILE, mostTokens: 1 };

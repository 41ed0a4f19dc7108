import matrixSource from "../../../shaders/attention-matrix.wgsl" with { type: "text" };
import type { Tensor } from "../../gpu/memory.ts";
import type { SubgroupMatrix } from "../../gpu/variants.ts";
import { type HeadShape, headParams, KEY_CHUNK } from "./attention.ts";
import { queryGroups, withQueries } from "./attention-tiled.ts";
import { ceil, type Kernels } from "./kernels.ts";

/** Workgroup memory of every adapter that has subgroup matrices. */
const MEMORY = 32_768;
const TILE = 16;
const SUBGROUPS = 4;
const INVOCATIONS = 32 * SUBGROUPS;

/** Bytes of workgroup memory that attention-matrix.wgsl declares. */
export function matrixMemory(headDim: number, piece: number): number {
  const rows = 8 * (TILE + piece) * (headDim / 4 + 2);
  const weights = 8 * TILE * (KEY_CHUNK / 4 + 2);
  return rows + weights + 4 * TILE * (KEY_CHUNK + 4) + 8 * INVOCATIONS;
}

/** The constants of attention-matrix.wgsl for heads that matrices divide, and that a chunk's scores give room to. */
export function matrixConstants(
  headDim: number,
  { M, N, K }: Pick<SubgroupMatrix, "M" | "N" | "K">,
  memory = MEMORY,
): Record<string, number> | null {
  const piece = [64, 32, 16].find((keys) => matrixMemory(headDim, keys) <= memory);
  if (!piece || headDim % 16 !== 0 || headDim > KEY_CHUNK) return null;
  const matrices = (columns: number) => ceil((TILE / M) * (columns / N), SUBGROUPS);
  return {
    M,
    N,
    K,
    HEAD_DIM: headDim,
    PIECE: piece,
    SCORE_MATRICES: matrices(piece),
    VALUE_MATRICES: matrices(headDim),
    VECTORS: ceil((TILE * headDim) / 4, INVOCATIONS),
    CHUNK: KEY_CHUNK,
  };
}

/** shaders/attention-matrix.wgsl: the forward pass by subgroup matrices, of q, k and v in f16. */
export class MatrixAttention {
  constructor(
    private readonly kernels: Kernels,
    constants: Record<string, number>,
  ) {
    const source = withQueries(matrixSource);
    for (const isDecoding of [false, true]) {
      const { name, mostTokens } = tokensOf(isDecoding);
      const given = { ...constants, MOST_TOKENS: mostTokens };
      kernels.add(name, source, "forward forward_chunk", given);
    }
  }

  /** o and lse; in decoding a tile is one token's heads, with the same bits. */
  forward(
    tensors: Readonly<Record<string, Tensor>>,
    tokens: number,
    shape: HeadShape,
    isDecoding: boolean,
  ): void {
    const { name, mostTokens } = tokensOf(isDecoding);
    const params = { ...headParams(tokens, shape), chunks: 1 };
    const groups = queryGroups(tokens, shape, TILE, mostTokens);
    this.kernels.run(`${name}.forward`, tensors, params, groups);
  }

  /** The same in decoding, of each chunk of keys apart, left in `partials`. */
  forwardChunks(
    tensors: Readonly<Record<string, Tensor>>,
    tokens: number,
    shape: HeadShape,
    chunks: number,
  ): void {
    const { name, mostTokens } = tokensOf(true);
    const params = { ...headParams(tokens, shape), chunks };
    const groups = [...queryGroups(tokens, shape, TILE, mostTokens), chunks] as const;
    this.kernels.run(`${name}.forward_chunk`, tensors, params, groups);
  }
}

const tokensOf = (isDecoding: boolean) =>
  isDecoding
    ? { name: "attention-matrix-token", mostTokens: 1 }
    : { name: "attention-matrix", mostTokens: TILE };

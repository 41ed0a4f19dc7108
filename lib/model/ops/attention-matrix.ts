import matrixSource from "../../../shaders/attention-matrix.wgsl" with { type: "text" };
import type { SubgroupMatrix } from "../../gpu/variants.ts";
import { QueryTiles, withQueries } from "./attention-queries.ts";
import { type HeadShape, KEY_CHUNK } from "./heads.ts";
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
export class MatrixAttention extends QueryTiles {
  constructor(kernels: Kernels, constants: Record<string, number>) {
    super(kernels);
    const source = withQueries(matrixSource);
    for (const { name, mostTokens } of [TOKENS, ONE_TOKEN]) {
      kernels.add(name, source, "forward forward_chunk", { ...constants, MOST_TOKENS: mostTokens });
    }
  }

  protected override forwardTile(_: HeadShape, isDecoding: boolean) {
    return isDecoding ? ONE_TOKEN : TOKENS;
  }
}

const TOKENS = { name: "attention-matrix", tile: TILE, mostTokens: TILE };
const ONE_TOKEN = { name: "attention-matrix-token", tile: TILE, mostTokens: 1 };

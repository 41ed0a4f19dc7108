import type { Tensor } from "../../lib/gpu/memory.ts";
import type { Files } from "../../lib/gpu/wgsl.ts";
import type { ForwardTensors } from "../../lib/model/ops/attention.ts";
import { FILES } from "../../lib/model/ops/files.ts";
import { type HeadShape, headParams } from "../../lib/model/ops/heads.ts";
import { ceil } from "../../lib/model/ops/kernels.ts";
import { AdapterAttention } from "./attention-family.ts";
import queriesSource from "./attention-queries.wgsl" with { type: "text" };

/** What shaders include whose workgroups own queries. */
export const QUERY_FILES: Files = { ...FILES, "attention-queries.wgsl": queriesSource };

/** What workgroups of a forward pass own: rows, one for each query and head, of `mostTokens` tokens at most. */
export interface QueryTile {
  /** Of the kernels that are compiled for it. */
  name: string;
  tile: number;
  mostTokens: number;
}

/** The forward pass of attention by workgroups that own queries; kinds of it differ by their tiles alone. */
export abstract class QueryTiles extends AdapterAttention {
  /** Where each token has keys of its own (`isDecoding`), a tile is one token's heads; the bits are the same. */
  protected abstract forwardTile(q: Tensor, shape: HeadShape, isDecoding: boolean): QueryTile;

  protected override forwardWhole(
    tensors: ForwardTensors,
    tokens: number,
    shape: HeadShape,
    isDecoding: boolean,
  ): void {
    const tile = this.forwardTile(tensors.q, shape, isDecoding);
    const params = headParams(tokens, shape);
    this.kernels.run(`${tile.name}.forward`, tensors, params, queryGroups(tokens, shape, tile));
  }

  protected override forwardChunks(
    tensors: ForwardTensors & { partials: Tensor },
    tokens: number,
    shape: HeadShape,
    chunks: number,
  ): void {
    const tile = this.forwardTile(tensors.q, shape, true);
    const params = headParams(tokens, shape, chunks);
    const groups = [...queryGroups(tokens, shape, tile), chunks] as const;
    this.kernels.run(`${tile.name}.forward_chunk`, tensors, params, groups);
  }
}

/** Workgroups over tokens, and over heads: a tile holds whole tokens' heads on one key-value head, or part of one's. */
export function queryGroups(
  tokens: number,
  { heads, kvHeads }: HeadShape,
  { tile, mostTokens }: Pick<QueryTile, "tile" | "mostTokens">,
): readonly [number, number] {
  const shared = heads / kvHeads;
  const tokensOfTile = Math.max(1, Math.min(Math.floor(tile / shared), mostTokens));
  return [ceil(tokens, tokensOfTile), kvHeads * ceil(shared, tile)];
}

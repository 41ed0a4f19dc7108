import type { Files } from "../../lib/gpu/wgsl.ts";
import { FILES } from "../../lib/model/ops/files.ts";
import type { HeadShape } from "../../lib/model/ops/heads.ts";
import { ceil } from "../../lib/model/ops/kernels.ts";
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

import type { Tensor } from "../../lib/gpu/memory.ts";
import { include } from "../../lib/gpu/wgsl.ts";
import type { BackwardTensors, ForwardTensors } from "../../lib/model/ops/attention.ts";
import { type HeadShape, headParams, KEY_CHUNK } from "../../lib/model/ops/heads.ts";
import { ceil, type Kernels } from "../../lib/model/ops/kernels.ts";
import {
  AdapterAttention,
  type AttentionVariants,
  type Family,
  LEAST_MEMORY,
} from "./attention-family.ts";
import { QUERY_FILES, type QueryTile, queryGroups } from "./attention-queries.ts";
import forwardSource from "./attention-tiled.wgsl" with { type: "text" };
import backwardSource from "./attention-tiled-backward.wgsl" with { type: "text" };
import blocksSource from "./attention-tiled-blocks.wgsl" with { type: "text" };

const INVOCATIONS = 64;
/** Tiles that one token's heads fill: the smallest that holds them is for decoding. */
const TOKEN_TILES = [4, 8, 16] as const;

const ENTRIES = ["forward", "backward_query", "backward_key"] as const;
export type TiledEntry = (typeof ENTRIES)[number];

/** Rows that a workgroup owns, and rows of a block that it walks. */
export interface AttentionTile {
  tile: number;
  block: number;
}

/** Bytes of workgroup memory that an entry point of the tiled shaders declares, its activations in f32. */
export function tileMemory(entry: TiledEntry, headDim: number, { tile, block }: AttentionTile) {
  const row = 4 * (headDim + 4);
  const weights = 4 * block * (tile + 4);
  if (entry === "forward") {
    return (tile + block) * row + weights + 4 * tile * groupX(headDim, { tile, block });
  }
  if (entry === "backward_query") return (2 * tile + block) * row + weights;
  return 2 * ((tile + block) * row + weights);
}

/** The largest tile that fits in `memory` bytes of workgroup memory, tiles before blocks. */
export function attentionTile(entry: TiledEntry, headDim: number, memory: number): AttentionTile {
  for (let tile = 32; tile >= 1; tile /= 2) {
    for (const block of [tile, tile / 2]) {
      if (block >= 1 && tileMemory(entry, headDim, { tile, block }) <= memory)
        return { tile, block };
    }
  }
  throw new RangeError(`heads of ${headDim} do not fit in workgroup memory`);
}

/** Invocations along a block: as many as divide it and the vectors of a head. */
function groupX(headDim: number, { tile, block }: AttentionTile): number {
  let x = 1;
  const most = Math.max(8, INVOCATIONS / tile);
  while (2 * x <= most && block % (2 * x) === 0 && headDim % (8 * x) === 0) x *= 2;
  return x;
}

/** The constants of attention-tiled-blocks.wgsl for a tile. */
export function tileConstants(headDim: number, { tile, block }: AttentionTile) {
  const x = groupX(headDim, { tile, block });
  const y = Math.min(tile, INVOCATIONS / x);
  return {
    HEAD_DIM: headDim,
    CHUNK: KEY_CHUNK,
    GROUP_X: x,
    GROUP_Y: y,
    ROWS: tile / y,
    COLUMNS: block / x,
    FETCHES: ceil((block * headDim) / 4, x * y),
  };
}

const withBlocks = (source: string) =>
  include(source, { ...QUERY_FILES, "attention-tiled-blocks.wgsl": blocksSource });

/** The shader that has an entry point, whole. */
export const TILED_SOURCES: Readonly<Record<TiledEntry, string>> = {
  forward: withBlocks(forwardSource),
  backward_query: withBlocks(backwardSource),
  backward_key: withBlocks(backwardSource),
};

/** beyond/kernels/attention-tiled.wgsl and attention-tiled-backward.wgsl: the attention of GPUs, but for backward_delta. */
export const tiled: Family<"tiled"> = {
  name: "tiled",
  sources: TILED_SOURCES,
  hasMemory: true,
  memories: distinctMemories,
  create: (kernels, headDim, variants) => new TiledAttention(kernels, headDim, variants),
  describe: ({ attentionMemory }) => `, up to ${attentionMemory / 1024} KiB of workgroup memory`,
};

/** Those up to `limit` that give tiles of their own. */
function distinctMemories(headDim: number, limit: number): number[] {
  const memories = [LEAST_MEMORY, 32_768, 49_152].filter((memory) => memory <= limit);
  const tiles = memories.map((memory) =>
    JSON.stringify(ENTRIES.map((entry) => attentionTile(entry, headDim, memory))),
  );
  return memories.filter((_, i) => tiles.indexOf(tiles[i]) === i);
}

export class TiledAttention extends AdapterAttention {
  private readonly tiles: Readonly<Record<TiledEntry, AttentionTile>>;

  constructor(kernels: Kernels, headDim: number, variants: AttentionVariants) {
    super(kernels, headDim, variants);
    const add = (entry: TiledEntry, name = "attention-tiled", rows?: number) => {
      const tile = attentionTile(entry, headDim, variants.attentionMemory);
      const given = rows ? { ...tile, tile: Math.min(rows, tile.tile) } : tile;
      const entries = entry === "forward" ? "forward forward_chunk" : entry;
      kernels.add(name, TILED_SOURCES[entry], entries, tileConstants(headDim, given));
      return tile;
    };
    this.tiles = {
      forward: add("forward"),
      backward_query: add("backward_query"),
      backward_key: add("backward_key"),
    };
    for (const rows of TOKEN_TILES) add("forward", `attention-tiled-${rows}`, rows);
  }

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

  /** Where each token has keys of its own (`isDecoding`), a tile is one token's heads; the bits are the same. */
  protected forwardTile(_: Tensor, { heads, kvHeads }: HeadShape, isDecoding: boolean): QueryTile {
    const shared = heads / kvHeads;
    const few = TOKEN_TILES.find((rows) => rows >= shared && rows < this.tiles.forward.tile);
    const name = isDecoding && few ? `attention-tiled-${few}` : "attention-tiled";
    const tile = isDecoding && few ? few : this.tiles.forward.tile;
    return { name, tile, mostTokens: tile };
  }

  protected override backwardFromDelta(tensors: BackwardTensors, tokens: number, shape: HeadShape) {
    const params = headParams(tokens, shape);
    const { tile } = this.tiles.backward_query;
    const queries = queryGroups(tokens, shape, { tile, mostTokens: tile });
    const keys = [ceil(tokens, this.tiles.backward_key.tile), shape.kvHeads] as const;
    this.kernels.run("attention-tiled.backward_query", tensors, params, queries);
    this.kernels.run("attention-tiled.backward_key", tensors, params, keys);
  }
}

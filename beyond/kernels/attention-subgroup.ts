import type { Tensor } from "../../lib/gpu/memory.ts";
import { include } from "../../lib/gpu/wgsl.ts";
import type { BackwardTensors, ForwardTensors } from "../../lib/model/ops/attention.ts";
import { FILES } from "../../lib/model/ops/files.ts";
import { type HeadShape, headParams, KEY_CHUNK } from "../../lib/model/ops/heads.ts";
import { ceil, type Kernels } from "../../lib/model/ops/kernels.ts";
import { AdapterAttention, type AttentionVariants, type Family } from "./attention-family.ts";
import forwardSource from "./attention-subgroup.wgsl" with { type: "text" };
import backwardSource from "./attention-subgroup-backward.wgsl" with { type: "text" };
import decodingSource from "./attention-subgroup-decoding.wgsl" with { type: "text" };
import tileSource from "./attention-subgroup-tile.wgsl" with { type: "text" };

/** Queries, or keys, of a lane. */
const MOST_ROWS = 4;

/** The gradients with one of them, which are sooner compiled; forward, the core's kernel has the same bits. */
const QUICKER = "attention-subgroup-1";
const BACKWARD = "backward_query backward_key";

/** The shaders, whole, by their entry points. */
const SUBGROUP_FILES = { ...FILES, "attention-subgroup-tile.wgsl": tileSource };
const SOURCES = {
  forward: include(forwardSource, SUBGROUP_FILES),
  [BACKWARD]: include(backwardSource, SUBGROUP_FILES),
} as const;
const DECODING = "attention-subgroup-decoding";
const FORWARD_CHUNK = include(decodingSource, FILES);

/** Workgroups that keep all cores busy: with more, each has several chunks of keys. */
const ENOUGH_WORKGROUPS = 128;

/** Vectors of the queries that a workgroup has in decoding, at most: more take long to compile. */
const MOST_VECTORS = 128;

/**
 * beyond/kernels/attention-subgroup.wgsl, its -decoding.wgsl and its -backward.wgsl: attention on CPUs that play GPU, but
 * for backward_delta and for decoding whose caches have no more than a chunk of keys.
 */
export const subgroup: Family<"subgroup"> = {
  name: "subgroup",
  sources: { ...SOURCES, forward_chunk: FORWARD_CHUNK },
  requires: "subgroups",
  memories: () => [], // tuning does not try it
  create: (kernels, headDim, variants) => new SubgroupAttention(kernels, headDim, variants),
  describe: ({ subgroupLanes }) =>
    `, keys handed round ${subgroupLanes} lanes; in decoding of short texts as plain, with the same bits`,
};

class SubgroupAttention extends AdapterAttention {
  private readonly plainQueries: number;
  private readonly lanes: number;
  /** Queries, or keys, of a lane. */
  private readonly rows: number;
  /** Elements of queries that have attended by the core's kernels, though these are not few. */
  private attended = 0;
  private readonly patience: number;

  constructor(kernels: Kernels, headDim: number, variants: AttentionVariants) {
    super(kernels, headDim, variants);
    const { subgroupLanes: lanes, subgroupElements, subgroupSlice } = variants;
    this.plainQueries = variants.plainQueries;
    const rows = Math.max(1, Math.min(MOST_ROWS, Math.floor(subgroupElements / headDim)));
    this.lanes = lanes;
    this.rows = rows;
    this.patience = rows === 1 ? 0 : (variants.patience?.queries ?? 0);
    const sizes = { LANES: lanes, ROWS: rows, SLICE: largestDivisor(headDim / 4, subgroupSlice) };
    const constants = { HEAD_DIM: headDim, CHUNK: KEY_CHUNK, ...sizes };
    for (const [entries, source] of Object.entries(SOURCES)) {
      kernels.add("attention-subgroup", source, entries, constants);
    }
    if (rows > 1) kernels.add(QUICKER, SOURCES[BACKWARD], BACKWARD, { ...constants, ROWS: 1 });
  }

  protected override forwardWhole(
    tensors: ForwardTensors,
    tokens: number,
    shape: HeadShape,
    isDecoding: boolean,
  ): void {
    const queries = tokens * shape.heads;
    if (isDecoding || queries <= this.plainQueries) {
      super.forwardWhole(tensors, tokens, shape, isDecoding);
    } else if (this.attended < this.patience) {
      this.attended += queries * shape.headDim;
      super.forwardWhole(tensors, tokens, shape, isDecoding);
    } else {
      this.run("forward", tensors, tokens, shape);
    }
  }

  protected override forwardChunks(
    tensors: ForwardTensors & { partials: Tensor },
    tokens: number,
    shape: HeadShape,
    chunks: number,
  ): void {
    const { heads, kvHeads, headDim } = shape;
    const most = Math.max(1, Math.floor((4 * MOST_VECTORS) / headDim));
    const shared = largestDivisor(heads / kvHeads, most);
    const name = `${DECODING}-${shared}`;
    if (!this.kernels.names.includes(`${name}.forward_chunk`)) {
      const FEW = largestDivisor(headDim / 4, 4);
      const VECTORS = ceil(headDim / 4, this.lanes);
      const sizes = { LANES: this.lanes, HEADS: shared, FEW, VECTORS };
      const constants = { HEAD_DIM: headDim, CHUNK: KEY_CHUNK, ...sizes };
      this.kernels.add(name, FORWARD_CHUNK, "forward_chunk", constants);
    }
    const workgroups = (tokens * heads) / shared;
    const groups = [workgroups, Math.min(chunks, ceil(ENOUGH_WORKGROUPS, workgroups))] as const;
    this.kernels.run(`${name}.forward_chunk`, tensors, headParams(tokens, shape, chunks), groups);
  }

  protected override backwardFromDelta(tensors: BackwardTensors, tokens: number, shape: HeadShape) {
    this.run("backward_query", tensors, tokens, shape);
    this.run("backward_key", tensors, tokens, shape);
  }

  private run(entry: string, tensors: ForwardTensors, tokens: number, shape: HeadShape) {
    const { heads, kvHeads } = shape;
    const shared = entry === "backward_key" ? 1 : heads / kvHeads;
    const waits = this.attended < this.patience;
    const [name, rows] = waits ? [QUICKER, 1] : ["attention-subgroup", this.rows];
    const groups = [ceil(tokens * shared, this.lanes * rows) * kvHeads] as const;
    this.kernels.run(`${name}.${entry}`, tensors, headParams(tokens, shape), groups);
  }
}

/** Of `n`, up to `most`. */
function largestDivisor(n: number, most: number): number {
  let divisor = Math.min(n, most);
  while (n % divisor > 0) divisor--;
  return divisor;
}

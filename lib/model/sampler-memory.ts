import type { Allocator, ElementBytes, Tensor } from "../gpu/memory.ts";
import { Activations, type KeyValue } from "./activations.ts";
import type { ModelConfig } from "./config.ts";
import { HeadMemory, logitsStride } from "./head.ts";
import { allocateKeyChunks, type KeyChunks } from "./ops/attention.ts";
import { BLOCK_ROWS } from "./ops/heads.ts";
import { ceil } from "./ops/kernels.ts";

/** Enough to keep a GPU busy, and not so many that rows wait long for them. */
const PREFILL_TOKENS = 512;

export interface SamplerSizes {
  /** Of activations and caches; 4 by default. */
  elementBytes?: ElementBytes;
  /** Completions decoded at once. */
  rows: number;
  /** Tokens decoded in one pass; by default one of each completion. */
  passRows?: number;
  /** Prompts whose keys and values are held at once. */
  promptSlots: number;
  maxPromptTokens: number;
  maxNewTokens: number;
  /** Tokens of a prompt that are computed in one pass; a longer one takes several. */
  prefillTokens?: number;
  /** Blocks of BLOCK_ROWS that caches have, for who says in `moved` where rows lie; else each row has a place of its own. */
  cacheBlocks?: number;
  /** Queries whose keys attention may split, as the adapter's variants have it; by default as many as any has. */
  splitQueries?: number;
}

/** What a draw gives of each row. */
export interface Drawn {
  token: Tensor;
  logprob: Tensor;
  entropy: Tensor;
}

/** Caches and state of a sampler. */
export class SamplerMemory {
  readonly activations: Activations;
  readonly head: HeadMemory;
  readonly caches: readonly KeyValue[];
  /** Where rows of the caches lie; zeros at first. */
  readonly moved: Tensor;
  /** Where attention splits long caches. */
  readonly keyChunks?: KeyChunks;
  readonly logits: Tensor;
  readonly promptIds: Tensor;
  readonly promptSpans: Tensor;
  readonly spans: Tensor;
  readonly draws: Tensor;
  readonly index: Tensor;
  /** The last tokens of the rows. */
  readonly ids: Tensor;
  readonly drawn: Drawn;
  /** Of one forward pass. */
  readonly maxTokens: number;
  /** Of one that decodes. */
  readonly passRows: number;
  /** Cache rows of a prompt, and of a completion; whole blocks where these may be moved. */
  readonly tokensPerSlot: number;
  readonly tokensPerRow: number;

  constructor(
    alloc: Allocator,
    config: ModelConfig,
    readonly sizes: SamplerSizes,
    /** Tokens that may be decoded beyond a completion's end. */
    spareTokens = 0,
  ) {
    const { rows, promptSlots, maxPromptTokens, maxNewTokens, elementBytes = 4 } = sizes;
    const { passRows = rows, prefillTokens = PREFILL_TOKENS } = sizes;
    this.passRows = passRows;
    const unit = sizes.cacheBlocks === undefined ? 1 : BLOCK_ROWS;
    this.tokensPerSlot = ceil(maxPromptTokens, unit) * unit;
    this.tokensPerRow = ceil(maxNewTokens + spareTokens, unit) * unit;
    // New prompts, or parts of long ones, and beside them the last tokens of prompts whose completions are still arriving.
    const ofPrompts = Math.max(rows, Math.min(maxPromptTokens, prefillTokens));
    this.maxTokens = Math.max(ofPrompts + rows, passRows);
    this.activations = new Activations(alloc, config, this.maxTokens, "nothing", elementBytes);
    this.head = new HeadMemory(alloc, config, passRows, elementBytes);
    const named = promptSlots * this.tokensPerSlot + rows * this.tokensPerRow;
    const cacheRows = sizes.cacheBlocks === undefined ? named : sizes.cacheBlocks * BLOCK_ROWS;
    const width = config.numKeyValueHeads * config.headDim;
    const makeCache = (name: string) =>
      alloc.allocate("KV cache", name, cacheRows * width, elementBytes);
    this.caches = Array.from({ length: config.numLayers }, () => ({
      keys: makeCache("keys"),
      values: makeCache("values"),
    }));
    const heads = { heads: config.numHeads, headDim: config.headDim };
    const maxKeys = maxPromptTokens + maxNewTokens + spareTokens;
    this.keyChunks = allocateKeyChunks(alloc, heads, passRows, maxKeys, sizes.splitQueries);
    const make = (name: string, length = passRows) => alloc.allocate("buffers", name, length);
    this.moved = make("moved", ceil(named, BLOCK_ROWS));
    this.logits = make("logits", passRows * logitsStride(config.vocabSize));
    this.promptIds = make("prompt ids", this.maxTokens);
    this.promptSpans = make("prompt spans", this.maxTokens * 4);
    this.spans = make("row spans", passRows * 4);
    this.draws = make("row draws", passRows * 4);
    this.index = make("row index");
    this.ids = make("row ids");
    this.drawn = makeDrawn(alloc, passRows);
  }
}

export const makeDrawn = (alloc: Allocator, rows: number): Drawn => ({
  token: alloc.allocate("buffers", "drawn tokens", rows),
  logprob: alloc.allocate("buffers", "drawn log-probabilities", rows),
  entropy: alloc.allocate("buffers", "drawn entropies", rows),
});

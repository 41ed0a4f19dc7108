import type { Allocator, ElementBytes, Tensor } from "../gpu/memory.ts";
import { Activations, type KeyValue } from "./activations.ts";
import type { ModelConfig } from "./config.ts";
import { HeadMemory, logitsStride } from "./head.ts";
import { allocateKeyChunks, type KeyChunks } from "./ops/attention.ts";

export interface SamplerSizes {
  /** Of activations and caches; 4 by default. */
  elementBytes?: ElementBytes;
  /** Completions decoded at once. */
  rows: number;
  /** Prompts whose keys and values are held at once. */
  promptSlots: number;
  maxPromptTokens: number;
  maxNewTokens: number;
  /** Decoding steps between two looks at the drawn tokens. */
  readEvery: number;
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
  /** Where attention splits long caches. */
  readonly keyChunks?: KeyChunks;
  readonly logits: Tensor;
  readonly promptIds: Tensor;
  readonly promptSpans: Tensor;
  readonly spans: Tensor;
  readonly draws: Tensor;
  readonly index: Tensor;
  /** The last tokens of the rows, where others are decoded than in the steps before. */
  readonly ids: Tensor;
  /** Where in `lastTokens` these lie. */
  readonly places: Tensor;
  /** What the last decoding step drew, and behind it the first tokens of rows that were admitted since. */
  readonly lastTokens: Tensor;
  /** What was drawn from prompts. */
  readonly first: Drawn;
  /** What each of `readEvery` decoding steps drew. */
  readonly drawn: readonly Drawn[];
  readonly maxTokens: number;

  constructor(
    alloc: Allocator,
    config: ModelConfig,
    readonly sizes: SamplerSizes,
  ) {
    const { rows, promptSlots, maxPromptTokens, maxNewTokens, readEvery, elementBytes = 4 } = sizes;
    // New prompts, and beside them the last tokens of prompts whose completions are still arriving.
    this.maxTokens = Math.max(rows, maxPromptTokens) + rows;
    this.activations = new Activations(alloc, config, this.maxTokens, "nothing", elementBytes);
    this.head = new HeadMemory(alloc, config, rows, elementBytes);
    const cacheRows = promptSlots * maxPromptTokens + rows * (maxNewTokens + readEvery);
    const width = config.numKeyValueHeads * config.headDim;
    const makeCache = (name: string) =>
      alloc.allocate("KV cache", name, cacheRows * width, elementBytes);
    this.caches = Array.from({ length: config.numLayers }, () => ({
      keys: makeCache("keys"),
      values: makeCache("values"),
    }));
    const heads = { heads: config.numHeads, headDim: config.headDim };
    const maxKeys = maxPromptTokens + maxNewTokens + readEvery;
    this.keyChunks = allocateKeyChunks(alloc, heads, rows, maxKeys, sizes.splitQueries);
    const make = (name: string, length = rows) => alloc.allocate("buffers", name, length);
    this.logits = make("logits", rows * logitsStride(config.vocabSize));
    this.promptIds = make("prompt ids", this.maxTokens);
    this.promptSpans = make("prompt spans", this.maxTokens * 4);
    this.spans = make("row spans", rows * 4);
    this.draws = make("row draws", rows * 4);
    this.index = make("row index");
    this.ids = make("row ids");
    this.places = make("places of last tokens");
    this.lastTokens = make("last tokens", rows * 2);
    const makeDrawn = (token = make("drawn tokens")) => ({
      token,
      logprob: make("drawn log-probabilities"),
      entropy: make("drawn entropies"),
    });
    this.first = makeDrawn();
    this.drawn = Array.from({ length: readEvery }, (_, i) =>
      makeDrawn(i === readEvery - 1 ? this.lastTokens : undefined),
    );
  }
}

import type { Gpu } from "../gpu/device.ts";
import type { Allocator, Tensor } from "../gpu/memory.ts";
import { BLOCK_ROWS } from "./ops/heads.ts";
import { ceil } from "./ops/kernels.ts";

/**
 * For each distinct value of an index array the places it occurs in, as rows of a compressed sparse
 * matrix: what a gather's backward pass adds up without atomics, always in the same order.
 */
class PlaceLists {
  /** On the GPU, by the names shaders/gather.wgsl has for them. */
  readonly tensors: Readonly<Record<"row" | "offset" | "item", Tensor>>;
  distinct = 0;
  private readonly row: Uint32Array;
  private readonly offset: Uint32Array;
  private readonly item: Uint32Array;
  private readonly counts: Uint32Array;

  /** For up to `capacity` indices, each under `universe`. */
  constructor(alloc: Allocator, name: string, capacity: number, universe: number) {
    const make = (what: string, length: number) =>
      alloc.allocate("buffers", `${name} ${what}`, length);
    this.tensors = {
      row: make("rows", capacity),
      offset: make("offsets", capacity + 1),
      item: make("places", capacity),
    };
    this.row = new Uint32Array(capacity);
    this.offset = new Uint32Array(capacity + 1);
    this.item = new Uint32Array(capacity);
    this.counts = new Uint32Array(universe);
  }

  upload(gpu: Gpu, index: Uint32Array, count: number): void {
    const { row, offset, item, counts, tensors } = this;
    this.distinct = 0;
    for (let i = 0; i < count; i++) if (counts[index[i]]++ === 0) row[this.distinct++] = index[i];
    for (let u = 0; u < this.distinct; u++) {
      offset[u + 1] = offset[u] + counts[row[u]];
      counts[row[u]] = offset[u]; // from here on: where the row's next place goes
    }
    for (let i = 0; i < count; i++) item[counts[index[i]]++] = i;
    for (let u = 0; u < this.distinct; u++) counts[row[u]] = 0;
    gpu.upload(tensors.row, row, 0, this.distinct);
    gpu.upload(tensors.offset, offset, 0, this.distinct + 1);
    gpu.upload(tensors.item, item, 0, count);
  }
}

/**
 * A training batch: sequences packed into one row of tokens, without padding. A group is laid out as
 * [prompt][completion 1]...[completion n], and every completion sees the prompt through its span, so
 * that the prompt is computed once. A completion's last token predicts nothing and is left out.
 * `clear` and `add` fill the same arrays again and again.
 */
export class PackedBatch {
  readonly ids: Uint32Array;
  /** (prefixStart, prefixEnd, ownStart, ownEnd) of each token: the keys it sees. [T, 4] */
  readonly spans: Uint32Array;
  /** One past the last token that sees this one, its window left aside, and its position. [T, 2] */
  readonly lastQuery: Uint32Array;
  /** The token each prediction is made from, and the token it should predict. [M] */
  readonly predictionRows: Uint32Array;
  readonly targets: Uint32Array;
  /** T and M. */
  tokens = 0;
  predictions = 0;

  constructor(readonly maxTokens: number) {
    this.ids = new Uint32Array(maxTokens);
    this.spans = new Uint32Array(maxTokens * 4);
    this.lastQuery = new Uint32Array(maxTokens * 2);
    this.predictionRows = new Uint32Array(maxTokens);
    this.targets = new Uint32Array(maxTokens);
  }

  clear(): void {
    this.tokens = 0;
    this.predictions = 0;
  }

  /** Whether a group of a prompt and completions of these lengths still fits. */
  fits(promptLength: number, completionLengths: Iterable<number>): boolean {
    let tokens = this.tokens + promptLength;
    let predictions = this.predictions;
    for (const length of completionLengths) {
      tokens += length - 1;
      predictions += length;
    }
    return tokens <= this.maxTokens && predictions <= this.maxTokens;
  }

  /** Adds a group; prompt and completions have at least one token each. */
  add(prompt: ArrayLike<number>, completions: readonly ArrayLike<number>[]): void {
    const start = this.tokens;
    const promptEnd = start + prompt.length;
    for (let i = 0; i < prompt.length; i++) this.push(prompt[i], start, start, start);
    for (const completion of completions) {
      const ownStart = this.tokens;
      for (let i = 0; i < completion.length; i++) {
        this.predictionRows[this.predictions] = i === 0 ? promptEnd - 1 : this.tokens - 1;
        this.targets[this.predictions++] = completion[i];
        if (i < completion.length - 1) this.push(completion[i], start, promptEnd, ownStart);
      }
      this.endQueries(ownStart, this.tokens);
    }
    this.endQueries(start, promptEnd);
  }

  /** The tokens from `first` to before `end` are seen by none that is still to come. */
  private endQueries(first: number, end: number): void {
    for (let t = first; t < end; t++) this.lastQuery[t * 2] = this.tokens;
  }

  private push(id: number, prefixStart: number, prefixEnd: number, ownStart: number): void {
    const t = this.tokens++;
    this.ids[t] = id;
    this.spans[t * 4] = prefixStart;
    this.spans[t * 4 + 1] = prefixEnd;
    this.spans[t * 4 + 2] = ownStart;
    this.spans[t * 4 + 3] = t + 1;
    this.lastQuery[t * 2 + 1] = prefixEnd - prefixStart + t - ownStart;
  }
}

/** A packed batch on the GPU, with the place lists that its backward pass needs. */
export class BatchMemory {
  readonly ids: Tensor;
  readonly spans: Tensor;
  /** Zeros: keys and values lie where the spans say. */
  readonly moved: Tensor;
  readonly lastQuery: Tensor;
  readonly predictionRows: Tensor;
  readonly targets: Tensor;
  /** Of the token ids, and of the rows that predict. */
  readonly idPlaces: PlaceLists;
  readonly predictionPlaces: PlaceLists;

  constructor(alloc: Allocator, maxTokens: number, vocabSize: number) {
    const make = (name: string, length = maxTokens) => alloc.allocate("buffers", name, length);
    this.ids = make("token ids");
    this.spans = make("spans", maxTokens * 4);
    this.moved = make("moved", ceil(maxTokens, BLOCK_ROWS));
    this.lastQuery = make("last queries", maxTokens * 2);
    this.predictionRows = make("prediction rows");
    this.targets = make("targets");
    this.idPlaces = new PlaceLists(alloc, "token id", maxTokens, vocabSize);
    this.predictionPlaces = new PlaceLists(alloc, "prediction", maxTokens, maxTokens);
  }

  upload(gpu: Gpu, batch: PackedBatch): void {
    const { tokens, predictions } = batch;
    gpu.upload(this.ids, batch.ids, 0, tokens);
    gpu.upload(this.spans, batch.spans, 0, tokens * 4);
    gpu.upload(this.lastQuery, batch.lastQuery, 0, tokens * 2);
    gpu.upload(this.predictionRows, batch.predictionRows, 0, predictions);
    gpu.upload(this.targets, batch.targets, 0, predictions);
    this.idPlaces.upload(gpu, batch.ids, tokens);
    this.predictionPlaces.upload(gpu, batch.predictionRows, predictions);
  }
}

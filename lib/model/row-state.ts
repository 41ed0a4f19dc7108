/** The rows of a sampler: who enters, what goes up before they are decoded, who leaves. */

import type { Gpu } from "../gpu/device.ts";
import type { Completion, GenerationRequest, GenerationSettings } from "./completion.ts";
import type { SamplerMemory } from "./sampler-memory.ts";
import { threefry2x32 } from "./threefry.ts";

/** A prompt in the cache, and how many completions still read it. */
export interface CachedPrompt {
  request: GenerationRequest;
  slot: number;
  readers: number;
  /** Tokens that were computed, or are in the pass to come. */
  computed: number;
}

/** A completion being decoded. */
export interface Row {
  prompt: CachedPrompt;
  completion: Completion;
  sample: number;
  key: readonly [number, number];
  /** First cache row of its own keys and values. */
  cacheRow: number;
  /** Tokens drawn so far. */
  drawn: number;
}

/** A completion that waits for a row, with what its siblings share. */
export interface Waiting {
  request: GenerationRequest;
  sample: number;
  completion: Completion;
  group: { prompt?: CachedPrompt };
}

/** Completions that enter together, and the tokens of prompts, from `from` on, that are computed before. */
export interface Entry {
  rows: Row[];
  parts: { prompt: CachedPrompt; from: number; to: number }[];
}

/** All samples of all requests, in order; their completions, still empty, become the results. */
export function waitingSamples(
  requests: readonly GenerationRequest[],
  results: Completion[][],
): Waiting[] {
  return requests.flatMap((request, i) => {
    const group = {};
    return Array.from({ length: request.samples }, (_, sample): Waiting => {
      const completion = { tokens: [], logprobs: [], entropies: [], finished: false };
      results[i].push(completion);
      return { request, sample, completion, group };
    });
  });
}

/** Which places of a `SamplerMemory` are free, and the host's side of its tensors that belong to rows. */
export class RowState {
  private readonly freeSlots: number[] = [];
  protected readonly freeCacheRows: number[] = [];
  private readonly spans: Uint32Array;
  private readonly draws: Uint32Array;
  private readonly index: Uint32Array;

  constructor(
    protected readonly gpu: Gpu,
    protected readonly memory: SamplerMemory,
  ) {
    const { passRows } = memory;
    this.spans = new Uint32Array(passRows * 4);
    this.draws = new Uint32Array(passRows * 4);
    this.index = new Uint32Array(passRows);
  }

  /** Must be called before all else. */
  freeAll(): void {
    const { tokensPerSlot, tokensPerRow } = this.memory;
    const { rows, promptSlots } = this.memory.sizes;
    this.freeSlots.length = 0;
    this.freeCacheRows.length = 0;
    for (let slot = promptSlots - 1; slot >= 0; slot--) this.freeSlots.push(slot);
    for (let row = rows - 1; row >= 0; row--) {
      this.freeCacheRows.push(promptSlots * tokensPerSlot + row * tokensPerRow);
    }
  }

  /** Whether any row is taken. */
  get isBusy(): boolean {
    return this.freeCacheRows.length < this.memory.sizes.rows;
  }

  /** Whether cache rows from `from` to before `to` have memory; where rows get it as they grow, they now may. */
  hold(_from: number, _to: number): boolean {
    return true;
  }

  /** First cache row of a prompt. */
  startOf({ slot }: CachedPrompt): number {
    return slot * this.memory.tokensPerSlot;
  }

  /**
   * Takes from `waiting` those that can enter together: as rows, slots and one forward pass have room. Of a prompt
   * longer than a pass there is a part at a time, and rows come with the last.
   */
  admit(waiting: Waiting[], { seed, step }: GenerationSettings): Entry {
    const entry: Entry = { rows: [], parts: [] };
    let room = this.memory.maxTokens - this.memory.sizes.rows;
    while (waiting.length > 0 && this.freeCacheRows.length > 0) {
      const { request, sample, completion, group } = waiting[0];
      const { length } = request.prompt;
      const from = group.prompt?.computed ?? request.known ?? 0;
      if (length - from > room && entry.parts.length > 0) break;
      if (!group.prompt) {
        if (this.freeSlots.length === 0) break;
        const slot = this.freeSlots.pop() as number;
        group.prompt = { request, slot, readers: request.samples, computed: from };
      }
      const { prompt } = group;
      const start = this.startOf(prompt);
      if (from < length) {
        const to = Math.min(length, from + room);
        if (!this.hold(start + from, start + to)) break;
        prompt.computed = to;
        entry.parts.push({ prompt, from, to: prompt.computed });
        room -= prompt.computed - from;
        if (prompt.computed < length) break;
      }
      const cacheRow = this.freeCacheRows[this.freeCacheRows.length - 1];
      if (!this.hold(cacheRow, cacheRow + 1)) break;
      this.freeCacheRows.pop();
      const key = threefry2x32(seed, [step >>> 0, request.slot >>> 0]);
      entry.rows.push({ prompt, completion, sample, key, cacheRow, drawn: 0 });
      waiting.shift();
    }
    return entry;
  }

  /** A completion that is over gives back its row, and the last of a prompt the prompt's slot. */
  giveBack({ cacheRow, prompt }: Row): void {
    this.freeCacheRows.push(cacheRow);
    if (--prompt.readers === 0) this.freeSlots.push(prompt.slot);
  }

  /**
   * Uploads where these rows stand: the keys that each sees, and what its next draw depends on.
   * @param hiddenOf which hidden state a row's next token is drawn from
   */
  upload(rows: readonly Row[], hiddenOf: (row: Row, i: number) => number): void {
    rows.forEach((row, i) => {
      const { prompt, key, cacheRow, sample, drawn } = row;
      const start = this.startOf(prompt);
      const end = start + prompt.request.prompt.length;
      this.spans.set([start, end, cacheRow, cacheRow + drawn], i * 4);
      this.draws.set([key[0], key[1], sample, drawn], i * 4);
      this.index[i] = hiddenOf(row, i);
    });
    const { gpu, memory } = this;
    gpu.upload(memory.index, this.index, 0, rows.length);
    gpu.upload(memory.spans, this.spans, 0, rows.length * 4);
    gpu.upload(memory.draws, this.draws, 0, rows.length * 4);
  }
}

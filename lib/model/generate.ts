/** Generation: which completions are decoded when, and the work of each step. */

import { LookAhead } from "../../beyond/scheduling/look-ahead.ts";
import { Recordings } from "../../beyond/scheduling/recording.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Tensor } from "../gpu/memory.ts";
import type { Completion, GenerationRequest, GenerationSettings } from "./completion.ts";
import type { Decoder } from "./decoder.ts";
import { Head, logitsStride } from "./head.ts";
import type { Weights } from "./parameters.ts";
import { type CachedPrompt, type Look, type Row, RowState } from "./row-state.ts";
import type { Drawn, SamplerMemory } from "./sampler-memory.ts";
import { threefry2x32 } from "./threefry.ts";

/**
 * Completes prompts in batches. A prompt is computed once for all its completions, which read its
 * keys and values in place; a completion that ends gives its row to one that waits. Each completion
 * depends on its prompt, the seed, the step, its slot and its sample number, and not on the rest of
 * the batch.
 */
export class Sampler {
  private readonly head: Head;
  /** Of decoding steps, by rows and by where their last tokens are. */
  private readonly recordings: Recordings;
  private recorded: { weights: Weights; drawing: string } | undefined;
  private readonly freeSlots: number[] = [];
  private readonly freeCacheRows: number[] = [];
  /** Those that the next steps decode, in the order of the GPU's tensors if they are `inPlace`. */
  private rows: Row[] = [];
  private inPlace = false;
  /** How much of `SamplerMemory.lastTokens` is taken. */
  private places = 0;
  /** What the GPU was given and the host has not looked at yet, oldest first. */
  private readonly ahead: Look[][] = [];
  private readonly lookAhead: LookAhead;
  private readonly state: RowState;
  private readonly promptIds: Uint32Array;
  private readonly promptSpans: Uint32Array;

  constructor(
    private readonly gpu: Gpu,
    private readonly decoder: Decoder,
    private readonly memory: SamplerMemory,
    /** Turns that the GPU is given ahead of the one looked at; by default as many as pay. */
    private readonly turnsAhead?: number,
  ) {
    this.head = new Head(decoder.ops, decoder.config);
    this.recordings = new Recordings(gpu.commands);
    const { maxNewTokens, readEvery } = memory.sizes;
    this.freeAll();
    this.lookAhead = new LookAhead(maxNewTokens + readEvery);
    this.state = new RowState(gpu, memory, this.lookAhead);
    this.promptIds = new Uint32Array(memory.maxTokens);
    this.promptSpans = new Uint32Array(memory.maxTokens * 4);
  }

  /**
   * Completes every request `samples` times.
   * @returns completions[request][sample]
   */
  async generate(
    weights: Weights,
    requests: readonly GenerationRequest[],
    settings: GenerationSettings,
  ): Promise<Completion[][]> {
    this.gpu.commands.stage = "sampling";
    this.keepRecordings(weights, settings);
    this.lookAhead.fade();
    const results = requests.map((): Completion[] => []);
    const waiting = waitingSamples(requests, results);
    try {
      while (waiting.length > 0 || this.freeCacheRows.length < this.memory.sizes.rows) {
        const turn = this.letIn(weights, waiting, settings);
        const decoded = this.decode(weights, settings);
        if (decoded) turn.push(decoded);
        if (turn.length > 0) this.ahead.push(turn);
        const most = turn.length > 0 ? this.mayBeAhead(turn) : 0;
        while (this.ahead.length > most) await this.lookAt(this.ahead.shift() ?? [], settings);
      }
    } catch (error) {
      // What the GPU was given ahead nobody will look at, and its rows are not given back.
      await Promise.allSettled(this.ahead.flat().map(({ arrived }) => arrived));
      this.freeAll();
      throw error;
    }
    return results;
  }

  /** Nothing is decoded, and all places are free. */
  private freeAll(): void {
    const { rows, promptSlots, maxPromptTokens, maxNewTokens, readEvery } = this.memory.sizes;
    this.rows = [];
    this.places = 0;
    this.ahead.length = 0;
    this.freeSlots.length = 0;
    this.freeCacheRows.length = 0;
    for (let slot = promptSlots - 1; slot >= 0; slot--) this.freeSlots.push(slot);
    for (let row = rows - 1; row >= 0; row--) {
      this.freeCacheRows.push(promptSlots * maxPromptTokens + row * (maxNewTokens + readEvery));
    }
  }

  /** How many turns the GPU may be given ahead, `turn` being the last one. */
  private mayBeAhead(turn: readonly Look[]): number {
    if (this.turnsAhead !== undefined) return this.turnsAhead;
    const expectedEnds = turn.reduce((sum, look) => sum + look.expectedEnds, 0);
    return this.lookAhead.pays(expectedEnds) ? 1 : 0;
  }

  /** Lets in all that can enter, before any is decoded: a step takes hardly longer for many rows than for few. */
  private letIn(weights: Weights, waiting: Waiting[], settings: GenerationSettings): Look[] {
    const looks: Look[] = [];
    for (;;) {
      const admitted: Row[] = [];
      const fresh: CachedPrompt[] = [];
      while (waiting.length > 0) {
        const row = this.admit(waiting[0], fresh, settings);
        if (!row) break;
        admitted.push(row);
        waiting.shift();
      }
      if (admitted.length === 0) return looks;
      looks.push(this.firstTokens(weights, fresh, admitted, settings));
    }
  }

  /** Makes a row for a waiting sample, if there is a free row, and a free prompt slot if it needs one. */
  private admit(
    waiting: Waiting,
    fresh: CachedPrompt[],
    settings: GenerationSettings,
  ): Row | undefined {
    const { rows, maxPromptTokens, maxNewTokens } = this.memory.sizes;
    const { request, sample, completion } = waiting;
    if (this.freeCacheRows.length === 0) return undefined;
    if (request.prompt.length > maxPromptTokens || settings.maxNewTokens > maxNewTokens) {
      throw new RangeError("a prompt or completion is longer than the sampler was made for");
    }
    if (!waiting.group.prompt) {
      let tokens = request.prompt.length;
      for (const { request: other } of fresh) tokens += other.prompt.length;
      if (this.freeSlots.length === 0 || tokens > this.memory.maxTokens - rows) return undefined;
      const prompt = { request, slot: this.freeSlots.pop() as number, readers: request.samples };
      waiting.group.prompt = prompt;
      fresh.push(prompt);
    }
    const step = [settings.step >>> 0, request.slot >>> 0] as const;
    return {
      prompt: waiting.group.prompt,
      completion,
      sample,
      key: threefry2x32(settings.seed, step),
      cacheRow: this.freeCacheRows.pop() as number,
      drawn: 0,
      place: 0,
      isOver: false,
    };
  }

  /** Computes the prompts that are new to the cache and draws the admitted rows' first tokens. */
  private firstTokens(
    weights: Weights,
    fresh: readonly CachedPrompt[],
    admitted: Row[],
    settings: GenerationSettings,
  ): Look {
    const { gpu, memory } = this;
    // A row admitted to a prompt that is in the cache already needs that prompt's last hidden state
    // too, so the last token is run again: its key and value come out the same.
    const lastTokenOf = new Map<CachedPrompt, number>();
    let tokens = 0;
    const push = (prompt: CachedPrompt, from: number) => {
      const start = prompt.slot * memory.sizes.maxPromptTokens;
      const ids = prompt.request.prompt;
      for (let i = from; i < ids.length; i++, tokens++) {
        this.promptIds[tokens] = ids[i];
        this.promptSpans.set([start, start, start, start + i + 1], tokens * 4);
      }
      lastTokenOf.set(prompt, tokens - 1);
    };
    for (const prompt of fresh) push(prompt, 0);
    for (const { prompt } of admitted) {
      if (!lastTokenOf.has(prompt)) push(prompt, prompt.request.prompt.length - 1);
    }
    gpu.upload(memory.promptIds, this.promptIds, 0, tokens);
    gpu.upload(memory.promptSpans, this.promptSpans, 0, tokens * 4);
    this.state.upload(admitted, ({ prompt }) => lastTokenOf.get(prompt) as number);
    const input = { ids: memory.promptIds, spans: memory.promptSpans };
    this.decoder.forward(weights, input, tokens, memory.activations, memory.caches);
    this.draw(weights, admitted.length, memory.first, settings);
    gpu.commands.copy(memory.first.token, memory.lastTokens, admitted.length, 0, this.places);
    for (const row of admitted) row.place = this.places++;
    this.rows = [...this.rows, ...admitted];
    this.inPlace = false;
    return this.state.look(admitted, [memory.first]);
  }

  /** A few decoding steps for all rows that go on as far as is known, if any does. */
  private decode(weights: Weights, settings: GenerationSettings): Look | undefined {
    const { memory } = this;
    const { places, lastTokens, drawn } = memory;
    const goesOn = (row: Row) => !row.isOver && row.drawn < settings.maxNewTokens;
    const rows = this.rows.filter(goesOn);
    const inPlace = this.inPlace && rows.length === this.rows.length;
    const count = rows.length;
    this.rows = rows;
    this.places = count;
    this.inPlace = true;
    if (count === 0) return undefined;
    let ids = lastTokens;
    if (!inPlace) {
      this.state.upload(rows, (_, i) => i);
      this.decoder.ops.sample.pick({ places, tokens: ids, picked: memory.ids }, count);
      ids = memory.ids;
    }
    drawn.forEach((results, step) => {
      // The first step has one of two inputs, and none has that of another.
      const input = step === 0 && inPlace ? drawn.length : step;
      const key = count * (drawn.length + 1) + input;
      if (!this.recordings.replay(key)) {
        this.recordings.record(key, () => this.step(weights, count, ids, results, settings));
      }
      ids = results.token;
      if (step < drawn.length - 1) this.gpu.commands.submit(); // the last goes with the read-back
    });
    rows.forEach((row, i) => {
      row.place = i;
    });
    return this.state.look(rows, drawn);
  }

  /**
   * Decodes a token for each of the first `count` rows. Tokens, positions and spans stay on the GPU from step
   * to step, so that it is the same dispatches each time that there are so many rows.
   */
  private step(
    weights: Weights,
    count: number,
    ids: Tensor,
    drawn: Drawn,
    settings: GenerationSettings,
  ): void {
    const { activations, caches, spans, keyChunks } = this.memory;
    const input = { ids, spans, keyChunks, isDecoding: true };
    this.decoder.forward(weights, input, count, activations, caches);
    this.draw(weights, count, drawn, settings);
  }

  /** Recorded steps hold for the weights and the way of drawing that they were recorded with. */
  private keepRecordings(weights: Weights, settings: GenerationSettings): void {
    const { temperature, topK, topP, minP } = settings;
    const drawing = [temperature, topK, topP, minP].join();
    if (this.recorded?.weights === weights && this.recorded.drawing === drawing) return;
    this.recordings.clear();
    this.recorded = { weights, drawing };
  }

  /** From hidden states to drawn tokens and their log-probabilities, for the first `count` rows. */
  private draw(weights: Weights, count: number, drawn: Drawn, settings: GenerationSettings): void {
    const { memory, head } = this;
    const { vocabSize } = this.decoder.config;
    const { token, logprob, entropy } = drawn;
    head.enter(weights, memory.activations.output, memory.index, count, memory.head);
    head.logits(weights, count, memory.logits, memory.head);
    const state = { draws: memory.draws, spans: memory.spans };
    const stride = logitsStride(vocabSize);
    const tensors = { logits: memory.logits, ...state, token };
    this.decoder.ops.sample.forward(tensors, count, vocabSize, stride, settings);
    const results = { state: memory.head.state, logprob, entropy };
    const temperature = settings.temperature || 1;
    const predictions = { targets: token, rows: count, temperature };
    head.logprobsOf(weights, memory.logits, predictions, results);
  }

  /** Waits for what rows drew; those that it ends give back their places, and the last of a prompt the prompt's. */
  private async lookAt(turn: readonly Look[], settings: GenerationSettings): Promise<void> {
    for (const look of turn) {
      await look.arrived;
      this.lookAhead.seen(look.rows.length, look.given);
      for (const { cacheRow, prompt } of this.state.append(look, settings)) {
        this.freeCacheRows.push(cacheRow);
        if (--prompt.readers === 0) this.freeSlots.push(prompt.slot);
      }
    }
  }
}

/** A completion that waits for a row, with what its siblings share. */
interface Waiting {
  request: GenerationRequest;
  sample: number;
  completion: Completion;
  group: { prompt?: CachedPrompt };
}

/** All samples of all requests, in order; their completions, still empty, become the results. */
function waitingSamples(requests: readonly GenerationRequest[], results: Completion[][]) {
  return requests.flatMap((request, i) => {
    const group = {};
    return Array.from({ length: request.samples }, (_, sample): Waiting => {
      const completion = { tokens: [], logprobs: [], entropies: [], finished: false };
      results[i].push(completion);
      return { request, sample, completion, group };
    });
  });
}

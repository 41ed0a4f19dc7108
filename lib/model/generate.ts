/** Generation: which completions are decoded when, and the work of each step. */
import type { Gpu } from "../gpu/device.ts";
import { Recordings } from "../gpu/recording.ts";
import {
  type Completion,
  type GenerationRequest,
  type GenerationSettings,
  isDone,
} from "./completion.ts";
import type { Decoder } from "./decoder.ts";
import { Head, logitsStride } from "./head.ts";
import type { Weights } from "./parameters.ts";
import { type CachedPrompt, type Row, RowState } from "./row-state.ts";
import type { SamplerMemory } from "./sampler-memory.ts";
import { threefry2x32 } from "./threefry.ts";

/**
 * Completes prompts in batches. A prompt is computed once for all its completions, which read its
 * keys and values in place; a completion that ends gives its row to one that waits. Each completion
 * depends on its prompt, the seed, the step, its slot and its sample number, and not on the rest of
 * the batch.
 */
export class Sampler {
  private readonly head: Head;
  /** Of decoding steps, by rows and the place since the last look at the tokens. */
  private readonly recordings: Recordings;
  private recorded: { weights: Weights; drawing: string } | undefined;
  private readonly freeSlots: number[] = [];
  private readonly freeCacheRows: number[] = [];
  private readonly rows: Row[] = [];
  private readonly state: RowState;
  private readonly promptIds: Uint32Array;
  private readonly promptSpans: Uint32Array;

  constructor(
    private readonly gpu: Gpu,
    private readonly decoder: Decoder,
    private readonly memory: SamplerMemory,
  ) {
    this.head = new Head(decoder.ops, decoder.config);
    this.recordings = new Recordings(gpu.commands);
    const { rows, promptSlots, maxPromptTokens, maxNewTokens, readEvery } = memory.sizes;
    for (let slot = promptSlots - 1; slot >= 0; slot--) this.freeSlots.push(slot);
    for (let row = rows - 1; row >= 0; row--) {
      this.freeCacheRows.push(promptSlots * maxPromptTokens + row * (maxNewTokens + readEvery));
    }
    this.state = new RowState(gpu, memory);
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
    const results = requests.map((): Completion[] => []);
    const waiting = waitingSamples(requests, results);
    let next = waiting.next();
    while (!next.done || this.rows.length > 0) {
      const admitted: Row[] = [];
      const fresh: CachedPrompt[] = [];
      while (!next.done) {
        const row = this.admit(next.value, fresh, settings);
        if (!row) break;
        admitted.push(row);
        next = waiting.next();
      }
      // Decoding waits until no more can enter: a step takes hardly longer for many rows than for few.
      if (admitted.length > 0) await this.firstTokens(weights, fresh, admitted, settings);
      else await this.decode(weights, settings);
    }
    return results;
  }

  /** Makes a row for a waiting sample, if there is a free row, and a free prompt slot if it needs one. */
  private admit(waiting: Waiting, fresh: CachedPrompt[], settings: GenerationSettings) {
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
    };
  }

  /** Computes the prompts that are new to the cache and draws the admitted rows' first tokens. */
  private async firstTokens(
    weights: Weights,
    fresh: readonly CachedPrompt[],
    admitted: Row[],
    settings: GenerationSettings,
  ): Promise<void> {
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
    this.draw(weights, admitted.length, 0, settings);
    await this.state.collect(admitted, 1, settings);
    this.rows.push(...admitted.filter((row) => this.keep(row, settings)));
  }

  /** A few decoding steps for all rows, and then a look at what they drew. */
  private async decode(weights: Weights, settings: GenerationSettings): Promise<void> {
    const { memory, rows } = this;
    this.state.upload(rows, (_, i) => i);
    const count = rows.length;
    for (let step = 0; step < memory.drawn.length; step++) {
      const key = count * memory.drawn.length + step;
      if (!this.recordings.replay(key)) {
        this.recordings.record(key, () => this.decodeStep(weights, count, step, settings));
      }
      this.gpu.commands.submit();
    }
    await this.state.collect(rows, memory.drawn.length, settings);
    let kept = 0;
    for (const row of rows) if (this.keep(row, settings)) rows[kept++] = row;
    rows.length = kept;
  }

  /**
   * One step for the first `count` rows. Tokens, positions and spans stay on the GPU from step to step, so
   * that it is the same dispatches each time that there are so many rows.
   */
  private decodeStep(weights: Weights, count: number, step: number, settings: GenerationSettings) {
    const { memory } = this;
    const ids = step === 0 ? memory.ids : memory.drawn[step - 1].token;
    const { spans, keyChunks } = memory;
    const input = { ids, spans, keyChunks, isDecoding: true };
    this.decoder.forward(weights, input, count, memory.activations, memory.caches);
    this.draw(weights, count, step, settings);
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
  private draw(weights: Weights, count: number, step: number, settings: GenerationSettings): void {
    const { memory, head } = this;
    const { vocabSize } = this.decoder.config;
    const { token, logprob, entropy } = memory.drawn[step];
    head.enter(weights, memory.activations.output, memory.index, count, memory.head);
    head.logits(weights, count, memory.logits, memory.head);
    const state = { draws: memory.draws, spans: memory.spans };
    const stride = logitsStride(vocabSize);
    const tensors = { logits: memory.logits, ...state, token };
    this.decoder.ops.sample.forward(tensors, count, vocabSize, stride, settings);
    const results = { state: memory.head.state, logprob, entropy };
    const temperature = settings.temperature || 1;
    head.logprobsOf(weights, memory.logits, token, count, temperature, results);
  }

  /** Whether a row goes on; one that does not gives back its place, and its prompt's with the last. */
  private keep(row: Row, settings: GenerationSettings): boolean {
    if (!isDone(row.completion, settings)) return true;
    this.freeCacheRows.push(row.cacheRow);
    if (--row.prompt.readers === 0) this.freeSlots.push(row.prompt.slot);
    return false;
  }
}

/** A completion that waits for a row, with what its siblings share. */
interface Waiting {
  request: GenerationRequest;
  sample: number;
  completion: Completion;
  group: { prompt?: CachedPrompt };
}

function* waitingSamples(
  requests: readonly GenerationRequest[],
  results: Completion[][],
): Generator<Waiting> {
  for (const [i, request] of requests.entries()) {
    const group = {};
    for (let sample = 0; sample < request.samples; sample++) {
      const completion = { tokens: [], logprobs: [], entropies: [], finished: false };
      results[i].push(completion);
      yield { request, sample, completion, group };
    }
  }
}

/** Generation: which completions are decoded when, and the work of each step. */

import type { Gpu } from "../gpu/device.ts";
import type { Tensor } from "../gpu/memory.ts";
import {
  appendToken,
  type Completion,
  type GenerationRequest,
  type GenerationSettings,
} from "./completion.ts";
import type { Decoder } from "./decoder.ts";
import { Head, logitsStride } from "./head.ts";
import type { Weights } from "./parameters.ts";
import {
  type CachedPrompt,
  type Entry,
  type Row,
  RowState,
  type Waiting,
  waitingSamples,
} from "./row-state.ts";
import type { Drawn, SamplerMemory } from "./sampler-memory.ts";

/**
 * Completes prompts in batches. A prompt is computed once for all its completions, which read its
 * keys and values in place; a completion that ends gives its row to one that waits. Each completion
 * depends on its prompt, the seed, the step, its slot and its sample number, and not on the rest of
 * the batch.
 */
export class Sampler {
  private readonly head: Head;
  private readonly promptIds: Uint32Array;
  private readonly promptSpans: Uint32Array;
  private readonly ids: Uint32Array;
  private readonly drawn: { tokens: Uint32Array; logprobs: Float32Array; entropies: Float32Array };

  constructor(
    protected readonly gpu: Gpu,
    protected readonly decoder: Decoder,
    private readonly memory: SamplerMemory,
    protected readonly state = new RowState(gpu, memory),
  ) {
    const { rows } = memory.sizes;
    state.freeAll();
    this.head = new Head(decoder.ops, decoder.config);
    this.promptIds = new Uint32Array(memory.maxTokens);
    this.promptSpans = new Uint32Array(memory.maxTokens * 4);
    this.ids = new Uint32Array(rows);
    this.drawn = {
      tokens: new Uint32Array(rows),
      logprobs: new Float32Array(rows),
      entropies: new Float32Array(rows),
    };
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
    const { maxPromptTokens, maxNewTokens } = this.memory.sizes;
    const isLong = ({ prompt }: GenerationRequest) => prompt.length > maxPromptTokens;
    if (requests.some(isLong) || settings.maxNewTokens > maxNewTokens) {
      throw new RangeError("a prompt or completion is longer than the sampler was made for");
    }
    this.gpu.commands.stage = "sampling";
    const results = requests.map((): Completion[] => []);
    try {
      await this.complete(weights, waitingSamples(requests, results), settings);
    } catch (error) {
      this.state.freeAll();
      throw error;
    }
    return results;
  }

  /**
   * Lets in all that can enter, decodes a token for each, looks at what was drawn, and so on until all are over.
   * Between the parts of a long prompt those that are in go on.
   */
  protected async complete(
    weights: Weights,
    waiting: Waiting[],
    settings: GenerationSettings,
  ): Promise<void> {
    let rows: Row[] = [];
    while (waiting.length > 0 || this.state.isBusy) {
      for (;;) {
        const entry = this.state.admit(waiting, settings);
        this.prefill(weights, entry, settings);
        if (entry.rows.length === 0) break;
        rows.push(...(await this.look(entry.rows, settings)));
      }
      if (rows.length === 0) continue;
      rows.forEach(({ completion: { tokens } }, i) => {
        this.ids[i] = tokens[tokens.length - 1];
      });
      const { ids, drawn } = this.memory;
      this.gpu.upload(ids, this.ids, 0, rows.length);
      this.state.upload(rows, (_, i) => i);
      this.decode(weights, rows.length, ids, drawn, settings);
      rows = await this.look(rows, settings);
    }
  }

  /** Computes the parts of prompts and draws the rows' first tokens, into `memory.drawn`. */
  protected prefill(weights: Weights, { rows, parts }: Entry, settings: GenerationSettings): void {
    const { gpu, memory } = this;
    // A row admitted to a prompt that is in the cache already needs that prompt's last hidden state
    // too, so the last token is run again: its key and value come out the same.
    const lastTokenOf = new Map<CachedPrompt, number>();
    let tokens = 0;
    const push = (prompt: CachedPrompt, from: number, to: number) => {
      const start = this.state.startOf(prompt);
      const ids = prompt.request.prompt;
      for (let i = from; i < to; i++, tokens++) {
        this.promptIds[tokens] = ids[i];
        this.promptSpans.set([start, start, start, start + i + 1], tokens * 4);
      }
      lastTokenOf.set(prompt, tokens - 1);
    };
    for (const { prompt, from, to } of parts) push(prompt, from, to);
    for (const { prompt } of rows) {
      const { length } = prompt.request.prompt;
      if (!lastTokenOf.has(prompt)) push(prompt, length - 1, length);
    }
    if (tokens === 0) return;
    gpu.upload(memory.promptIds, this.promptIds, 0, tokens);
    gpu.upload(memory.promptSpans, this.promptSpans, 0, tokens * 4);
    this.state.upload(rows, ({ prompt }) => lastTokenOf.get(prompt) as number);
    const { promptIds: ids, promptSpans: spans, moved } = memory;
    const input = { ids, spans, moved };
    this.decoder.forward(weights, input, tokens, memory.activations, memory.caches);
    if (rows.length > 0) this.draw(weights, rows.length, memory.drawn, settings);
  }

  /** Decodes a token for each of the first `count` rows, `ids` being their last ones. */
  protected decode(
    weights: Weights,
    count: number,
    ids: Tensor,
    drawn: Drawn,
    settings: GenerationSettings,
  ): void {
    const { activations, caches, spans, moved, keyChunks } = this.memory;
    const input = { ids, spans, moved, keyChunks, isDecoding: true };
    this.decoder.forward(weights, input, count, activations, caches);
    this.draw(weights, count, drawn, settings);
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

  /** Waits for what the rows drew. @returns those that go on */
  private async look(rows: readonly Row[], settings: GenerationSettings): Promise<Row[]> {
    const { token, logprob, entropy } = this.memory.drawn;
    const { tokens, logprobs, entropies } = this.drawn;
    await this.gpu.commands.read([token, logprob, entropy], [tokens, logprobs, entropies]);
    return rows.filter((row, i) => {
      row.drawn++;
      const isOver = appendToken(row.completion, tokens[i], logprobs[i], entropies[i], settings);
      if (isOver) this.state.giveBack(row);
      return !isOver;
    });
  }
}

/** The rows of a sampler on the host and on the GPU: what goes up before they are decoded, what comes back. */
import type { Gpu } from "../gpu/device.ts";
import type { Tensor } from "../gpu/memory.ts";
import {
  type Completion,
  type GenerationRequest,
  type GenerationSettings,
  isDone,
} from "./completion.ts";
import type { SamplerMemory } from "./sampler-memory.ts";

/** A prompt in the cache, and how many completions still read it. */
export interface CachedPrompt {
  request: GenerationRequest;
  slot: number;
  readers: number;
}

/** A completion being decoded. */
export interface Row {
  prompt: CachedPrompt;
  completion: Completion;
  sample: number;
  key: readonly [number, number];
  /** First cache row of its own keys and values. */
  cacheRow: number;
}

/** The host's side of the tensors of `SamplerMemory` that belong to rows. */
export class RowState {
  private readonly spans: Uint32Array;
  private readonly draws: Uint32Array;
  private readonly ids: Uint32Array;
  private readonly indices: Uint32Array;
  private readonly tokens: Uint32Array[];
  private readonly logprobs: Float32Array[];
  private readonly entropies: Float32Array[];

  constructor(
    private readonly gpu: Gpu,
    private readonly memory: SamplerMemory,
  ) {
    const { rows } = memory.sizes;
    this.spans = new Uint32Array(rows * 4);
    this.draws = new Uint32Array(rows * 4);
    this.ids = new Uint32Array(rows);
    this.indices = new Uint32Array(rows);
    this.tokens = memory.drawn.map(() => new Uint32Array(rows));
    this.logprobs = memory.drawn.map(() => new Float32Array(rows));
    this.entropies = memory.drawn.map(() => new Float32Array(rows));
  }

  /**
   * Uploads where these rows stand: the keys that each sees, what its next draw depends on, its last token.
   * @param hiddenOf which hidden state a row's next token is drawn from
   */
  upload(rows: readonly Row[], hiddenOf: (row: Row, i: number) => number): void {
    rows.forEach((row, i) => {
      this.indices[i] = hiddenOf(row, i);
      this.write(row, i);
    });
    const { gpu, memory } = this;
    const count = rows.length;
    gpu.upload(memory.index, this.indices, 0, count);
    gpu.upload(memory.spans, this.spans, 0, count * 4);
    gpu.upload(memory.draws, this.draws, 0, count * 4);
    gpu.upload(memory.ids, this.ids, 0, count);
  }

  private write({ prompt, completion, key, cacheRow, sample }: Row, i: number): void {
    const drawn = completion.tokens.length;
    const start = prompt.slot * this.memory.sizes.maxPromptTokens;
    const end = start + prompt.request.prompt.length;
    this.spans.set([start, end, cacheRow, cacheRow + drawn], i * 4);
    this.draws.set([key[0], key[1], sample, drawn], i * 4);
    this.ids[i] = completion.tokens[drawn - 1] ?? 0;
  }

  /** Reads what the last `steps` draws gave and appends it to the completions, as far as they go on. */
  async collect(rows: readonly Row[], steps: number, settings: GenerationSettings): Promise<void> {
    const { memory } = this;
    const tensors: Tensor[] = [];
    const arrays: (Float32Array | Uint32Array)[] = [];
    for (let step = 0; step < steps; step++) {
      const { token, logprob, entropy } = memory.drawn[step];
      tensors.push(token, logprob, entropy);
      arrays.push(
        this.tokens[step].subarray(0, rows.length),
        this.logprobs[step].subarray(0, rows.length),
        this.entropies[step].subarray(0, rows.length),
      );
    }
    await this.gpu.commands.read(tensors, arrays);
    rows.forEach(({ completion }, i) => {
      for (let step = 0; step < steps && !isDone(completion, settings); step++) {
        const token = this.tokens[step][i];
        completion.tokens.push(token);
        completion.logprobs.push(this.logprobs[step][i]);
        completion.entropies.push(this.entropies[step][i]);
        completion.finished =
          settings.stopIds.has(token) || (settings.isOver?.(completion.tokens) ?? false);
      }
    });
  }
}

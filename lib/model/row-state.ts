/** The rows of a sampler on the host and on the GPU: what goes up before they are decoded, what comes back. */

import type { LookAhead } from "../../beyond/scheduling/look-ahead.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Tensor } from "../gpu/memory.ts";
import type { Completion, GenerationRequest, GenerationSettings } from "./completion.ts";
import type { Drawn, SamplerMemory } from "./sampler-memory.ts";

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
  /** Tokens drawn, those included that the host has not seen yet. */
  drawn: number;
  /** Where the last of them lies in `SamplerMemory.lastTokens`. */
  place: number;
  /** Whether the host has seen its end. */
  isOver: boolean;
}

/** What rows draw in some steps that the GPU was given. */
export interface Look {
  rows: readonly Row[];
  steps: readonly DrawnArrays[];
  /** Fulfilled once `steps` has it. */
  arrived: Promise<void>;
  /** When the GPU was given it, in milliseconds. */
  given: number;
  /** How many of the rows it is likely to end. */
  expectedEnds: number;
}

/** What a step drew, by row. */
interface DrawnArrays {
  tokens: Uint32Array;
  logprobs: Float32Array;
  entropies: Float32Array;
}

/** The host's side of the tensors of `SamplerMemory` that belong to rows. */
export class RowState {
  private readonly spans: Uint32Array;
  private readonly draws: Uint32Array;
  private readonly places: Uint32Array;
  private readonly indices: Uint32Array;
  /** For looks to come. */
  private readonly spare: DrawnArrays[] = [];

  constructor(
    private readonly gpu: Gpu,
    private readonly memory: SamplerMemory,
    private readonly lookAhead: LookAhead,
  ) {
    const { rows } = memory.sizes;
    this.spans = new Uint32Array(rows * 4);
    this.draws = new Uint32Array(rows * 4);
    this.places = new Uint32Array(rows);
    this.indices = new Uint32Array(rows);
  }

  /**
   * Uploads where these rows stand: the keys that each sees, what its next draw depends on, its last token.
   * @param hiddenOf which hidden state a row's next token is drawn from
   */
  upload(rows: readonly Row[], hiddenOf: (row: Row, i: number) => number): void {
    rows.forEach((row, i) => {
      const { prompt, key, cacheRow, sample, drawn } = row;
      const start = prompt.slot * this.memory.sizes.maxPromptTokens;
      const end = start + prompt.request.prompt.length;
      this.spans.set([start, end, cacheRow, cacheRow + drawn], i * 4);
      this.draws.set([key[0], key[1], sample, drawn], i * 4);
      this.places[i] = row.place;
      this.indices[i] = hiddenOf(row, i);
    });
    const { gpu, memory } = this;
    const count = rows.length;
    gpu.upload(memory.index, this.indices, 0, count);
    gpu.upload(memory.spans, this.spans, 0, count * 4);
    gpu.upload(memory.draws, this.draws, 0, count * 4);
    gpu.upload(memory.places, this.places, 0, count);
  }

  /** Asks for what the rows draw in the steps that the GPU was just given. */
  look(rows: readonly Row[], drawn: readonly Drawn[]): Look {
    const steps: DrawnArrays[] = [];
    const tensors: Tensor[] = [];
    const into: (Float32Array | Uint32Array)[] = [];
    for (const { token, logprob, entropy } of drawn) {
      const step = this.spare.pop() ?? makeArrays(this.memory.sizes.rows);
      steps.push(step);
      tensors.push(token, logprob, entropy);
      for (const array of [step.tokens, step.logprobs, step.entropies]) {
        into.push(array.subarray(0, rows.length));
      }
    }
    let expectedEnds = 0;
    for (const row of rows) {
      for (let step = 0; step < drawn.length; step++) {
        expectedEnds += this.lookAhead.endsAt(++row.drawn);
      }
    }
    const given = this.lookAhead.now();
    const arrived = this.gpu.commands.read(tensors, into);
    arrived.catch(() => {}); // told to who awaits it, if anybody still does
    return { rows, steps, arrived, given, expectedEnds };
  }

  /** Appends what has come to the completions, as far as they go on. @returns the rows that it ended */
  append({ rows, steps }: Look, settings: GenerationSettings): Row[] {
    this.spare.push(...steps);
    return rows.filter((row, i) => {
      if (row.isOver) return false;
      const { completion } = row;
      for (const { tokens, logprobs, entropies } of steps) {
        completion.tokens.push(tokens[i]);
        completion.logprobs.push(logprobs[i]);
        completion.entropies.push(entropies[i]);
        completion.finished =
          settings.stopIds.has(tokens[i]) || (settings.isOver?.(completion.tokens) ?? false);
        row.isOver = completion.finished || completion.tokens.length === settings.maxNewTokens;
        this.lookAhead.note(completion.tokens.length, completion.finished);
        if (row.isOver) return true;
      }
      return false;
    });
  }
}

const makeArrays = (rows: number): DrawnArrays => ({
  tokens: new Uint32Array(rows),
  logprobs: new Float32Array(rows),
  entropies: new Float32Array(rows),
});

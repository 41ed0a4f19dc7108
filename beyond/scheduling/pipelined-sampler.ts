import type { Gpu } from "../../lib/gpu/device.ts";
import type { Tensor } from "../../lib/gpu/memory.ts";
import { appendToken, type GenerationSettings } from "../../lib/model/completion.ts";
import type { Decoder } from "../../lib/model/decoder.ts";
import { Sampler } from "../../lib/model/generate.ts";
import type { Weights } from "../../lib/model/parameters.ts";
import type { Row, Waiting } from "../../lib/model/row-state.ts";
import type { Drawn } from "../../lib/model/sampler-memory.ts";
import { computeAgain } from "../paging/compute-again.ts";
import { PagedRows } from "../paging/paged-rows.ts";
import { LookAhead } from "./look-ahead.ts";
import type { PipelinedMemory } from "./pipelined-memory.ts";
import { Recordings } from "./recording.ts";
import type { ScheduledCommands } from "./scheduled-commands.ts";

/** A completion of which the GPU may have drawn more than the host has seen. */
export interface RowAhead extends Row {
  /** Where its last token lies in `PipelinedMemory.lastTokens`. */
  place: number;
  /** Whether the host has seen its end. */
  isOver: boolean;
}

/** What rows draw in some steps that the GPU was given. */
export interface Look {
  rows: readonly RowAhead[];
  steps: readonly DrawnArrays[];
  /** Fulfilled once `steps` has it. */
  arrived: Promise<void>;
  /** When the GPU was given it, in milliseconds. */
  given: number;
  /** How many of the rows it is likely to end. */
  expectedEnds: number;
}

/** What a step drew, by row. */
export interface DrawnArrays {
  tokens: Uint32Array;
  logprobs: Float32Array;
  entropies: Float32Array;
}

/**
 * The sampler that keeps a GPU busy: tokens stay on the GPU from step to step, steps are recorded once and
 * replayed, the host looks at the tokens of several steps at once, and gives the GPU more to do before it
 * looks where that pays. The completions have the bits of the plain sampler's.
 */
export class PipelinedSampler extends Sampler {
  /** Of decoding steps, by rows and by where their last tokens are. */
  protected readonly recordings: Recordings;
  private recorded: { weights: Weights; drawing: string } | undefined;
  /** Those that the next steps decode, in the order of the GPU's tensors if they are `inPlace`. */
  protected rows: RowAhead[] = [];
  protected inPlace = false;
  /** How much of `PipelinedMemory.lastTokens` is taken. */
  protected places = 0;
  private readonly hostPlaces: Uint32Array;
  private readonly lasts: Uint32Array;
  /** The rows' state where they get memory as they grow. */
  private readonly paged: PagedRows<RowAhead> | undefined;
  /** What the GPU was given and the host has not looked at yet, oldest first. */
  protected readonly ahead: Look[][] = [];
  protected readonly lookAhead: LookAhead;
  /** For looks to come. */
  private readonly spare: DrawnArrays[] = [];

  constructor(
    gpu: Gpu,
    protected readonly commands: ScheduledCommands,
    decoder: Decoder,
    protected readonly pipeline: PipelinedMemory,
    /** Turns that the GPU is given ahead of the one looked at; by default as many as pay. */
    private readonly turnsAhead?: number,
    /** See `FoundAdapter`. */
    lookSeconds?: number,
  ) {
    const isPaged = pipeline.sizes.cacheBlocks !== undefined;
    const paged = isPaged ? new PagedRows<RowAhead>(gpu, pipeline) : undefined;
    super(gpu, decoder, pipeline, paged);
    this.paged = paged;
    this.recordings = new Recordings(commands);
    this.lookAhead = new LookAhead(pipeline.tokensPerRow, lookSeconds);
    this.hostPlaces = new Uint32Array(pipeline.sizes.rows);
    this.lasts = new Uint32Array(pipeline.sizes.rows);
  }

  protected override async complete(
    weights: Weights,
    waiting: Waiting[],
    settings: GenerationSettings,
  ): Promise<void> {
    this.keepRecordings(weights, settings);
    this.lookAhead.fade();
    this.rows = [];
    this.places = 0;
    const { ahead } = this;
    try {
      while (waiting.length > 0 || this.state.isBusy) {
        await this.takeBack(weights, settings);
        const turn = this.letIn(weights, waiting, settings);
        await this.growRows(turn, settings);
        // a part of the first prompt alone brings no row
        if (this.rows.length > 0 && (await this.goesAhead(weights, waiting, turn, settings)))
          continue;
        const decoded = this.decodeSteps(weights, settings);
        if (decoded) turn.push(decoded);
        if (turn.length > 0) ahead.push(turn);
        const most = turn.length > 0 ? this.mayBeAhead(turn) : 0;
        while (ahead.length > most) await this.lookAt(ahead.shift() ?? [], settings);
      }
    } catch (error) {
      // What the GPU was given ahead nobody will look at.
      await Promise.allSettled(ahead.flat().map(({ arrived }) => arrived));
      ahead.length = 0;
      throw error;
    }
  }

  /**
   * For those who know another way than decoding steps: whether they went it. What they looked at on the way is no
   * longer in `turn`, which is what has been let in, nor in `ahead`.
   */
  protected async goesAhead(
    _weights: Weights,
    _waiting: readonly Waiting[],
    _turn: Look[],
    _settings: GenerationSettings,
  ): Promise<boolean> {
    return false;
  }

  /** How many turns the GPU may be given ahead, `turn` being the last one. */
  protected mayBeAhead(turn: readonly Look[]): number {
    if (this.turnsAhead !== undefined) return this.turnsAhead;
    const expectedEnds = turn.reduce((sum, look) => sum + look.expectedEnds, 0);
    return this.lookAhead.pays(expectedEnds) ? 1 : 0;
  }

  /**
   * Lets in all that can enter, before any is decoded: a step takes hardly longer for many rows than for few. Only a
   * prompt too long for one pass is not waited for.
   */
  private letIn(weights: Weights, waiting: Waiting[], settings: GenerationSettings): Look[] {
    const looks: Look[] = [];
    const { drawn, lastTokens } = this.pipeline;
    for (;;) {
      const entry = this.state.admit(waiting, settings);
      this.prefill(weights, entry, settings);
      if (entry.rows.length === 0) return looks;
      this.commands.copy(drawn.token, lastTokens, entry.rows.length, 0, this.places);
      const rows = entry.rows.map((row) => ({ ...row, place: this.places++, isOver: false }));
      this.rows = [...this.rows, ...rows]; // the array before belongs to a look
      this.inPlace = false;
      looks.push(this.askFor(rows, [drawn]));
    }
  }

  /** Gives rows memory for the steps to come; where there is too little of it, the last ones are put aside. */
  private async growRows(turn: Look[], settings: GenerationSettings): Promise<void> {
    const { paged, pipeline } = this;
    if (!paged) return;
    const tokens = pipeline.steps.length;
    if (!paged.grow(this.goingOn(settings), tokens)) {
      // some may be over
      this.goOnWith(paged.growSome(await this.lookAtAll(turn, settings), tokens));
    }
    paged.uploadMoved();
  }

  /** Rows that were put aside come back, as far as there is memory for them. */
  private async takeBack(weights: Weights, settings: GenerationSettings): Promise<void> {
    const { gpu, decoder, pipeline, paged } = this;
    for (let back = paged?.takeBack(); paged && back; back = paged.takeBack()) {
      const rows = await this.lookAtAll([], settings);
      paged.uploadMoved();
      const start = paged.startOf(back.row.prompt);
      computeAgain(gpu, decoder, weights, pipeline, back, start);
      this.goOnWith([...rows, back.row]);
    }
  }

  /** A few decoding steps for all rows that go on as far as is known, if any does. */
  private decodeSteps(weights: Weights, settings: GenerationSettings): Look | undefined {
    const { lastTokens, steps } = this.pipeline;
    const rows = this.goingOn(settings);
    const inPlace = this.inPlace && rows.length === this.rows.length;
    const count = rows.length;
    this.rows = rows;
    this.places = count;
    this.inPlace = true;
    if (count === 0) return undefined;
    let ids = inPlace ? lastTokens : this.pickLastTokens(rows);
    // Positions and spans stay on the GPU too, so that it is the same dispatches each time that there are so many rows.
    steps.forEach((drawn, step) => {
      // The first step has one of two inputs, and none has that of another.
      const input = step === 0 && inPlace ? steps.length : step;
      const key = count * (steps.length + 1) + input;
      if (!this.recordings.replay(key)) {
        this.recordings.record(key, () => this.decode(weights, count, ids, drawn, settings));
      }
      ids = drawn.token;
      if (step < steps.length - 1) this.commands.submit(); // the last goes with the read-back
    });
    rows.forEach((row, i) => {
      row.place = i;
    });
    return this.askFor(rows, steps);
  }

  /** Rows that go on as far as is known. */
  private goingOn({ maxNewTokens }: GenerationSettings): RowAhead[] {
    return this.rows.filter(({ isOver, drawn }) => !isOver && drawn < maxNewTokens);
  }

  /** Where other rows are decoded than in the steps before, theirs become the first ones. @returns their last tokens */
  private pickLastTokens(rows: readonly RowAhead[]): Tensor {
    const { ids, places, lastTokens } = this.pipeline;
    rows.forEach(({ place }, i) => {
      this.hostPlaces[i] = place;
    });
    this.state.upload(rows, (_, i) => i);
    this.gpu.upload(places, this.hostPlaces, 0, rows.length);
    this.decoder.ops.sample.pick({ places, tokens: lastTokens, picked: ids }, rows.length);
    return ids;
  }

  /** Recorded steps hold for the weights and the way of drawing that they were recorded with. */
  private keepRecordings(weights: Weights, settings: GenerationSettings): void {
    const { temperature, topK, topP, minP } = settings;
    const drawing = [temperature, topK, topP, minP].join();
    if (this.recorded?.weights === weights && this.recorded.drawing === drawing) return;
    this.recordings.clear();
    this.recorded = { weights, drawing };
  }

  /** Asks for what the rows draw in the steps that the GPU was just given. */
  private askFor(rows: readonly RowAhead[], drawn: readonly Drawn[]): Look {
    const steps: DrawnArrays[] = [];
    const tensors: Tensor[] = [];
    const into: (Float32Array | Uint32Array)[] = [];
    for (const { token, logprob, entropy } of drawn) {
      const step = this.spare.pop() ?? makeArrays(this.pipeline.sizes.rows);
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
    const arrived = this.commands.read(tensors, into);
    arrived.catch(() => {}); // told to who awaits it, if anybody still does
    return { rows, steps, arrived, given, expectedEnds };
  }

  /** The same for all that the GPU was given, `turn` being the last. @returns the rows that go on */
  protected async lookAtAll(turn: Look[], settings: GenerationSettings): Promise<RowAhead[]> {
    if (turn.length > 0) this.ahead.push(turn.splice(0));
    for (const looks of this.ahead.splice(0)) await this.lookAt(looks, settings);
    return this.rows.filter(({ isOver }) => !isOver);
  }

  /** These are the rows now, all looked at, and the GPU is told what it has to know of them for a decoding step. */
  protected goOnWith(rows: RowAhead[]): void {
    rows.forEach((row, i) => {
      const { tokens } = row.completion;
      this.lasts[i] = tokens[tokens.length - 1];
      row.place = i;
    });
    this.rows = rows;
    this.places = rows.length;
    this.inPlace = false;
    if (rows.length > 0) this.gpu.upload(this.pipeline.lastTokens, this.lasts, 0, rows.length);
  }

  /** Waits for what rows drew, and appends it as far as they go on; those that it ends give back their places. */
  protected async lookAt(turn: readonly Look[], settings: GenerationSettings): Promise<void> {
    for (const { rows, steps, arrived, given } of turn) {
      await arrived;
      this.lookAhead.seen(rows.length, given);
      this.spare.push(...steps);
      for (const [i, row] of rows.entries()) {
        for (const { tokens, logprobs, entropies } of steps) {
          if (row.isOver) break;
          const { completion } = row;
          row.isOver = appendToken(completion, tokens[i], logprobs[i], entropies[i], settings);
          this.lookAhead.note(completion.tokens.length, completion.finished);
          if (row.isOver) this.state.giveBack(row);
        }
      }
    }
  }
}

export const makeArrays = (rows: number): DrawnArrays => ({
  tokens: new Uint32Array(rows),
  logprobs: new Float32Array(rows),
  entropies: new Float32Array(rows),
});

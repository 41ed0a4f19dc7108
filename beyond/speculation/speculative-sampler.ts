import type { Gpu } from "../../lib/gpu/device.ts";
import { appendToken, type GenerationSettings } from "../../lib/model/completion.ts";
import type { Decoder } from "../../lib/model/decoder.ts";
import type { Weights } from "../../lib/model/parameters.ts";
import type { Row, Waiting } from "../../lib/model/row-state.ts";
import type { PipelinedMemory } from "../scheduling/pipelined-memory.ts";
import {
  type DrawnArrays,
  type Look,
  makeArrays,
  PipelinedSampler,
  type RowAhead,
} from "../scheduling/pipelined-sampler.ts";
import type { ScheduledCommands } from "../scheduling/scheduled-commands.ts";
import type { Guess, Guesses } from "./guesses.ts";
import type { Choice } from "./pass-times.ts";

/** Turns without another guess, at most, after guesses that were not worth checking. */
const LONGEST_REST = 16;
/** Read-backs that are under way at once. */
const MOST_READS = 4;
/** How many times as much is guessed as there is room for, to choose from. */
const TO_CHOOSE_FROM = 2;

/** What was sampled, since there is this sampler. */
export interface Tally {
  /** Tokens of completions. */
  tokens: number;
  /** Passes through the model that completions took part in, each counted for each of them. */
  passes: number;
  /** Tokens that were guessed and checked, and those of them that were right. */
  checked: number;
  right: number;
}

/**
 * The sampler that checks guesses. What a row may say next is run through the model in one pass, each token of it like
 * the last token of a row of its own, and at every place the token is drawn that would be drawn there, by its own
 * noise. Those are the completion's tokens as long as what was guessed is what was drawn; the first that differs is
 * the completion's too, and what lies behind it was drawn for nothing. The keys of those tokens lie where the next pass
 * writes.
 *
 * So a guess costs time if it is wrong, and no guess changes a bit. It is checked by the kernels that decode: whether
 * rows are of one completion or of several is nothing to them.
 */
export class SpeculativeSampler extends PipelinedSampler {
  readonly tally: Tally = { tokens: 0, passes: 0, checked: 0, right: 0 };
  private readonly found: DrawnArrays;
  private readonly inputs: Uint32Array;
  private isWarm = false;
  /** Turns until the next guess; how many it was put off after the last, and the rows that there were. */
  private wait = 0;
  private rest = 0;
  private restingRows = 0;
  /** When the turn began that the GPU was given last, in milliseconds, and what was ahead of the host then; if it was of decoding steps. */
  private step: { began: number; ahead: number } | undefined;

  constructor(
    gpu: Gpu,
    commands: ScheduledCommands,
    decoder: Decoder,
    memory: PipelinedMemory,
    private readonly guesses: Guesses,
    private readonly choice: Choice,
    turnsAhead?: number,
    lookSeconds?: number,
  ) {
    super(gpu, commands, decoder, memory, turnsAhead, lookSeconds);
    this.found = makeArrays(memory.passRows);
    this.inputs = new Uint32Array(memory.passRows);
  }

  protected override async complete(
    weights: Weights,
    waiting: Waiting[],
    settings: GenerationSettings,
  ): Promise<void> {
    const completions = waiting.map(({ completion }) => completion);
    this.step = undefined;
    await this.warmUp();
    if (this.guesses.begin(waiting, settings)) this.wait = this.rest = 0;
    try {
      await super.complete(weights, waiting, settings);
    } finally {
      this.guesses.end();
      const tokens = completions.reduce((sum, { tokens }) => sum + tokens.length, 0);
      this.tally.tokens += tokens;
      this.tally.passes += tokens; // less what single passes gave of them, which `accept` has taken off
    }
  }

  /** How many read-backs are under way at once depends on how long things take: their buffers are made at once. */
  private async warmUp(): Promise<void> {
    if (this.isWarm) return;
    this.isWarm = true;
    const { tokens, logprobs, entropies } = this.found;
    const { token, logprob, entropy } = this.pipeline.drawn;
    const reads = [1, this.pipeline.sizes.rows].flatMap((rows) => {
      const into = [tokens, logprobs, entropies].map((array) => array.subarray(0, rows));
      return Array.from({ length: MOST_READS }, () =>
        this.commands.read([token, logprob, entropy], into),
      );
    });
    await Promise.all(reads);
  }

  /** Where the next turn is going to guess, the host has to know what this one gives. */
  protected override mayBeAhead(turn: readonly Look[]): number {
    return this.wait <= 1 && this.mayPay() ? 0 : super.mayBeAhead(turn);
  }

  private mayPay(): boolean {
    const count = this.rows.length;
    return this.choice.mayPay(count, this.pipeline.passRows - count);
  }

  protected override async goesAhead(
    weights: Weights,
    waiting: readonly Waiting[],
    turn: Look[],
    settings: GenerationSettings,
  ): Promise<boolean> {
    this.noteStep(turn.length > 0);
    this.wait--;
    if (this.wait > 0 && 2 * this.rows.length > this.restingRows) return false;
    if (!this.mayPay()) {
      this.putOff(this.rows.length);
      return false;
    }
    const rows = await this.lookAtAll(turn, settings);
    if (rows.length < this.rows.length) {
      this.goOnWith(rows);
      if (rows.length === 0 || waiting.length > 0) return true;
    }
    if (await this.check(weights, rows, settings)) {
      this.step = undefined;
      // whoever is right now and then is not asked all the time
      this.rest >>= 1;
      this.wait = this.rest;
      this.restingRows = rows.length;
      return true;
    }
    this.step = { began: performance.now(), ahead: 0 };
    this.putOff(rows.length);
    return false;
  }

  private putOff(rows: number): void {
    this.rest = Math.min(LONGEST_REST, Math.max(1, 2 * this.rest));
    this.wait = this.rest;
    this.restingRows = rows;
  }

  /** Tells how long the last turn took, if it was decoding steps and went on as it began. */
  private noteStep(hasLetIn: boolean): void {
    const now = performance.now();
    const { step, ahead, rows, pipeline } = this;
    if (step && !hasLetIn && step.ahead === ahead.length) {
      this.choice.noteStep(rows.length, (now - step.began) / 1000 / pipeline.steps.length);
    }
    this.step = { began: now, ahead: ahead.length };
  }

  /** Guesses, and checks what is worth it. @returns whether anything was */
  private async check(
    weights: Weights,
    rows: readonly RowAhead[],
    settings: GenerationSettings,
  ): Promise<boolean> {
    const began = performance.now();
    const { pipeline, commands, recordings, found } = this;
    const { ids, drawn, passRows } = pipeline;
    const most = Math.ceil((TO_CHOOSE_FROM * (passRows - rows.length)) / rows.length);
    // the last token that a completion may have is drawn, and not run through the model
    const room = ({ drawn }: Row) => Math.min(most, settings.maxNewTokens - drawn - 1);
    const guesses = this.guesses.guess(rows, room);
    const chances = guesses.map(({ chances }, i) => chances.slice(0, room(rows[i])));
    const counts = this.chosen(chances, passRows - rows.length);
    if (!counts) return false;
    const places: Row[] = [];
    for (const [i, row] of rows.entries()) {
      const { cacheRow, completion, drawn } = row;
      const { tokens } = completion;
      const hasMemory = () => this.state.hold(cacheRow + drawn - 1, cacheRow + drawn + counts[i]);
      while (counts[i] > 0 && !hasMemory()) counts[i]--;
      for (let ahead = 0; ahead <= counts[i]; ahead++) {
        this.inputs[places.length] =
          ahead === 0 ? tokens[tokens.length - 1] : guesses[i].tokens[ahead - 1];
        places.push({ ...row, drawn: row.drawn + ahead });
      }
    }
    const count = places.length;
    this.state.upload(places, (_, i) => i);
    this.gpu.upload(ids, this.inputs, 0, count);
    if (!recordings.replay(-count)) {
      recordings.record(-count, () => this.decode(weights, count, ids, drawn, settings));
    }
    const { token, logprob, entropy } = drawn;
    await commands.read([token, logprob, entropy], [found.tokens, found.logprobs, found.entropies]);
    let first = 0;
    for (const [i, row] of rows.entries()) {
      this.accept(row, guesses[i], counts[i], first, settings);
      first += counts[i] + 1;
    }
    this.choice.noteCheck(count, (performance.now() - began) / 1000);
    this.goOnWith(rows.filter(({ isOver }) => !isOver));
    return true;
  }

  /** Of each guess the tokens that are checked, the likeliest of all of them; undefined where none is. */
  private chosen(chances: readonly (readonly number[])[], room: number): Uint32Array | undefined {
    const all = chances.flatMap((some, i) => some.map((chance) => ({ i, chance })));
    all.sort((a, b) => b.chance - a.chance);
    const possible = all.slice(0, room);
    const rows = chances.length;
    const checked = this.choice.choose(
      rows,
      possible.map(({ chance }) => chance),
    );
    if (checked === 0) return undefined;
    const counts = new Uint32Array(rows);
    for (const { i } of possible.slice(0, checked)) counts[i]++;
    return counts;
  }

  /** What was drawn from `first` on, after a row's last token and `count` guessed ones, as far as these were right. */
  private accept(
    row: RowAhead,
    guess: Guess,
    count: number,
    first: number,
    settings: GenerationSettings,
  ): void {
    const { tokens, logprobs, entropies } = this.found;
    const { completion } = row;
    let [ahead, right, agrees] = [0, 0, true];
    for (; agrees && !row.isOver; ahead++) {
      const at = first + ahead;
      row.isOver = appendToken(completion, tokens[at], logprobs[at], entropies[at], settings);
      this.lookAhead.note(completion.tokens.length, completion.finished);
      agrees = ahead < count && tokens[at] === guess.tokens[ahead];
      if (agrees) right++;
    }
    row.drawn += ahead;
    if (row.isOver) this.state.giveBack(row);
    const tried = Math.min(count, ahead);
    this.guesses.learn(guess, tried, right);
    this.tally.checked += count;
    this.tally.right += right;
    this.tally.passes -= ahead - 1;
  }
}

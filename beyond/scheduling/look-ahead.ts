/** What a look may cost for each step whose tokens it is about. */
const LOOK_SECONDS_A_STEP = 1.25e-3;
const MOST_STEPS = 16;

/**
 * Decoding steps between two looks at the drawn tokens: what is usual on such an adapter, or more where a look is dear.
 * @param lookSeconds see `FoundAdapter`
 */
export const stepsALook = (lookSeconds: number, usual: number): number =>
  Math.min(MOST_STEPS, Math.max(usual, Math.round(lookSeconds / LOOK_SECONDS_A_STEP)));

/**
 * Whether the GPU is given a turn before the tokens of the last one are looked at. It need not wait for the
 * look then; but rows that the last turn ended are decoded in the next one for nothing. How many these
 * are going to be, is foreseen from the lengths of earlier completions: often they are much alike.
 */
export class LookAhead {
  /** By number of tokens: completions that had so many, and those of them that ended there. Old ones fade. */
  private readonly reached: Float64Array;
  private readonly ended: Float64Array;
  /** What a row cost in the last turn. */
  private secondsOfRow = 0;
  private lastArrival = 0;

  constructor(
    maxNewTokens: number,
    /** See `FoundAdapter`. */
    private readonly lookSeconds = 1e-3,
    /** In milliseconds. */
    readonly now: () => number = () => performance.now(),
  ) {
    this.reached = new Float64Array(maxNewTokens + 1);
    this.ended = new Float64Array(maxNewTokens + 1);
  }

  /** What was noted so far counts half from here on. */
  fade(): void {
    for (let n = 0; n < this.reached.length; n++) {
      this.reached[n] /= 2;
      this.ended[n] /= 2;
    }
  }

  /** A completion has `tokens` tokens, and ends with them or not. */
  note(tokens: number, ends: boolean): void {
    this.reached[tokens]++;
    if (ends) this.ended[tokens]++;
  }

  /** How likely a completion ends with its token number `tokens`, if it has one. */
  endsAt(tokens: number): number {
    return this.reached[tokens] > 0 ? this.ended[tokens] / this.reached[tokens] : 0;
  }

  /** A turn of so many rows, given to the GPU at this time (in milliseconds), has just been seen. */
  seen(rows: number, given: number): void {
    const now = this.now();
    this.secondsOfRow = (now - Math.max(given, this.lastArrival)) / 1000 / rows;
    this.lastArrival = now;
  }

  /**
   * Whether to give the GPU another turn, which saves about half of the time for which it otherwise waits, while so many ends are expected
   * of the last one.
   */
  pays(expectedEnds: number): boolean {
    return expectedEnds * this.secondsOfRow < this.lookSeconds / 2;
  }
}

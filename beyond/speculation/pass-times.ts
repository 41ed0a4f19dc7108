/** What sizes are told apart by: up to this each is of its own, above it this many are one. */
const STEP = 8;
/** How much of a new time is believed: less where it took longer, which on a shared machine it often does for no reason. */
const FASTER = 0.4;
const SLOWER = 0.1;
/** What checking has to gain, in tokens a second. */
const MARGIN = 1.03;
/** Times grow forgotten, each time that they kept a check from being made. */
const FORGETTING = 0.995;

/** How long passes over so many tokens took; of sizes that never came, what their neighbours let expect. */
class Times {
  private readonly seconds: Float64Array;
  private readonly count: Uint32Array;

  constructor(mostTokens: number) {
    this.seconds = new Float64Array(place(mostTokens) + 1);
    this.count = new Uint32Array(this.seconds.length);
  }

  note(tokens: number, seconds: number): void {
    const at = place(tokens);
    // the first of a size may have compiled kernels
    if (this.count[at]++ === 0) return;
    const before = this.seconds[at];
    if (before === 0) this.seconds[at] = seconds;
    else this.seconds[at] += (seconds < before ? FASTER : SLOWER) * (seconds - before);
  }

  /** Undefined if none is known. */
  of(tokens: number): number | undefined {
    const { seconds } = this;
    const at = place(tokens);
    let [below, above] = [at, at];
    while (below >= 0 && seconds[below] === 0) below--;
    while (above < seconds.length && seconds[above] === 0) above++;
    if (above === seconds.length) return below < 0 ? undefined : seconds[below];
    if (below < 0 || above === below) return seconds[above];
    const share = (tokensAt(at) - tokensAt(below)) / (tokensAt(above) - tokensAt(below));
    return seconds[below] + share * (seconds[above] - seconds[below]);
  }

  /** The largest size that is known, 0 if none is. */
  get largest(): number {
    return tokensAt(this.seconds.findLastIndex((seconds) => seconds > 0));
  }

  forget(): void {
    for (let at = 0; at < this.seconds.length; at++) this.seconds[at] *= FORGETTING;
  }
}

const place = (tokens: number) =>
  tokens <= STEP ? tokens - 1 : STEP - 2 + Math.ceil(tokens / STEP);
const tokensAt = (place: number) => (place < STEP ? place + 1 : (place - STEP + 2) * STEP);

/** Who says how much is checked. */
export interface Choice {
  /**
   * @param chances how likely each guessed token, and all that it needs, is right: falling
   * @returns how many of them are checked in a pass beside the last tokens of `rows` rows; 0 decodes these as ever
   */
  choose(rows: number, chances: readonly number[]): number;
  /** A decoding step of so many rows took so long, or a pass that checked. */
  noteStep(rows: number, seconds: number): void;
  noteCheck(tokens: number, seconds: number): void;
}

/**
 * Checks as many guessed tokens as give most tokens a second, by the times that passes took here; none, unless that is
 * more than decoding gives.
 */
export class MostTokensASecond implements Choice {
  private readonly steps: Times;
  private readonly checks: Times;

  constructor(mostTokens: number) {
    this.steps = new Times(mostTokens);
    this.checks = new Times(mostTokens);
  }

  noteStep(rows: number, seconds: number): void {
    this.steps.note(rows, seconds);
  }

  noteCheck(tokens: number, seconds: number): void {
    this.checks.note(tokens, seconds);
  }

  choose(rows: number, chances: readonly number[]): number {
    const step = this.steps.of(rows);
    if (step === undefined || chances.length === 0) return 0;
    let [best, rate] = [0, (MARGIN * rows) / step];
    // larger passes than any before are tried in small steps: they may take long
    const reach = 2 * Math.max(rows, this.checks.largest, this.steps.largest);
    let expected = rows;
    for (let checked = 1; checked <= chances.length; checked++) {
      expected += chances[checked - 1];
      const tokens = rows + checked;
      // kernels take several rows at a time: a pass of one more costs hardly less than a full one
      if (tokens % STEP !== 0 && checked < chances.length) continue;
      if (tokens > reach) break;
      const seconds = this.secondsOf(tokens);
      if (expected / seconds > rate) [best, rate] = [checked, expected / seconds];
    }
    if (best === 0) this.checks.forget();
    return best;
  }

  /** Of a pass that checks: as a step with as many rows, until some were seen. */
  private secondsOf(tokens: number): number {
    const asStep = this.steps.of(tokens) as number;
    const asCheck = this.checks.of(tokens) ?? 0;
    return tokens > this.checks.largest ? Math.max(asStep, asCheck) : asCheck;
  }
}

import { ROW_CLASSES, rowClass } from "../kernels/matmuls.ts";

/** Tokens that kernels take at a time. */
const STEP = 8;
/** How much of a new time is believed: less where it took longer, which on a shared machine it often does for no reason. */
const FASTER = 0.4;
const SLOWER = 0.1;
/** What checking has to gain, in tokens a second. */
const MARGIN = 1.03;
/** Times fade, each time that they kept a check from being made: what was slow once is tried again. */
const FADING = 0.995;

/** How long passes over so many tokens took; of sizes that never came, what their neighbours let expect. */
class Times {
  private readonly seconds: Float64Array;
  private readonly seen = ROW_CLASSES.map(() => false);

  constructor(mostTokens: number) {
    this.seconds = new Float64Array(mostTokens + 1);
  }

  note(tokens: number, seconds: number): void {
    // the first of a class compiles kernels
    const ofRows = rowClass(tokens);
    if (!this.seen[ofRows]) this.seen[ofRows] = true;
    else if (this.seconds[tokens] === 0) this.seconds[tokens] = seconds;
    else {
      const change = seconds - this.seconds[tokens];
      this.seconds[tokens] += (change < 0 ? FASTER : SLOWER) * change;
    }
  }

  /** Undefined if none is known. */
  of(tokens: number): number | undefined {
    const { seconds } = this;
    let [below, above] = [tokens, tokens];
    while (below > 0 && seconds[below] === 0) below--;
    while (above < seconds.length && seconds[above] === 0) above++;
    if (above === seconds.length) return below === 0 ? undefined : seconds[below];
    if (below === 0 || above === below) return seconds[above];
    const share = (tokens - below) / (above - below);
    return seconds[below] + share * (seconds[above] - seconds[below]);
  }

  /** The largest size that is known, 0 if none is. */
  get largest(): number {
    return Math.max(
      0,
      this.seconds.findLastIndex((seconds) => seconds > 0),
    );
  }

  fade(): void {
    for (let tokens = 0; tokens < this.seconds.length; tokens++) this.seconds[tokens] *= FADING;
  }
}

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
    if (best === 0) this.checks.fade();
    return best;
  }

  /** Of a pass that checks: as a step with as many rows, until some were seen. */
  private secondsOf(tokens: number): number {
    const asStep = this.steps.of(tokens) as number;
    const asCheck = this.checks.of(tokens) ?? 0;
    return tokens > this.checks.largest ? Math.max(asStep, asCheck) : asCheck;
  }
}

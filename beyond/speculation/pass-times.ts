import { ROW_CLASSES, rowClass } from "../kernels/matmuls.ts";

/** Tokens that kernels take at a time. */
const STEP = 8;
/** How much of a new time is believed, and how much it may differ: on a shared machine many are long for no reason. */
const BELIEVED = 0.25;
const MOST_CHANGE = 0.5;
/** Sizes that differ by less than this share are looked at together. */
const ALIKE = 0.15;
/** What checking has to gain, in tokens a second, beside what it costs the host. */
const MARGIN = 1.12;
/** Times fade, each time that they kept a check from being made: what was slow once is tried again. */
const FADING = 0.998;

/** How long passes over so many tokens took; of sizes that never came, what others let expect. */
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
      const most = MOST_CHANGE * this.seconds[tokens];
      const change = seconds - this.seconds[tokens];
      this.seconds[tokens] += BELIEVED * Math.max(-most, Math.min(most, change));
    }
  }

  /** Undefined if none is known. */
  of(tokens: number): number | undefined {
    const { seconds } = this;
    let [sum, known] = [0, 0];
    const far = Math.floor(ALIKE * tokens);
    const most = Math.min(tokens + far, seconds.length - 1);
    for (let other = tokens - far; other <= most; other++) {
      if (seconds[other] === 0) continue;
      sum += seconds[other] * scale(tokens, other);
      known++;
    }
    if (known > 0) return sum / known;
    let [below, above] = [tokens, tokens];
    while (below > 0 && seconds[below] === 0) below--;
    while (above < seconds.length && seconds[above] === 0) above++;
    if (below === 0 && above === seconds.length) return undefined;
    if (above === seconds.length) return seconds[below] * scale(tokens, below);
    if (below === 0) return seconds[above];
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

/** How much longer so many tokens may take than others: something between nothing and as much longer as they are more. */
const scale = (tokens: number, than: number) => Math.sqrt(tokens / than);

/** Who says how much is checked. */
export interface Choice {
  /**
   * @param chances how likely each guessed token, and all that it needs, is right: falling
   * @returns how many of them are checked in a pass beside the last tokens of `rows` rows; 0 decodes these as ever
   */
  choose(rows: number, chances: readonly number[]): number;
  /** Whether `room` tokens, or fewer, might be worth checking if they were all right. */
  mayPay(rows: number, room: number): boolean;
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

  /**
   * @param passRows tokens of the largest pass
   * @param mostTokens of the largest that checks
   */
  constructor(
    passRows: number,
    private readonly mostTokens = passRows,
  ) {
    this.steps = new Times(passRows);
    this.checks = new Times(passRows);
  }

  noteStep(rows: number, seconds: number): void {
    this.steps.note(rows, seconds);
  }

  noteCheck(tokens: number, seconds: number): void {
    this.checks.note(tokens, seconds);
  }

  mayPay(rows: number, room: number): boolean {
    return this.steps.of(rows) === undefined || this.best(rows, room, () => 1) > 0;
  }

  choose(rows: number, chances: readonly number[]): number {
    return this.best(rows, chances.length, (i) => chances[i]);
  }

  private best(rows: number, most: number, chance: (i: number) => number): number {
    const step = this.steps.of(rows);
    if (step === undefined || most === 0) return 0;
    let [best, rate] = [0, (MARGIN * rows) / step];
    // larger passes than any before are tried in small steps: they may take long
    const known = Math.max(rows, this.checks.largest, this.steps.largest);
    const reach = Math.min(this.mostTokens, 2 * known);
    let expected = rows;
    for (let checked = 1; checked <= most; checked++) {
      expected += chance(checked - 1);
      const tokens = rows + checked;
      // kernels take several rows at a time: a pass of one more costs hardly less than a full one
      if (tokens % STEP !== 0 && checked < most) continue;
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

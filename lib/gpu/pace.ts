/** What a kernel is believed to cost. */
export interface Cost {
  /** Of one workgroup, when many are in flight. */
  seconds: number;
  /** Workgroups dispatched since the last read-back. */
  groups: number;
}

/** What a workgroup is believed to take before any was timed: too long rather than too short. */
const FIRST_SECONDS = { software: 2e-4, hardware: 5e-6 };
const LONGEST_SUBMISSION = 0.25;

/**
 * Cuts the command stream into submissions of a quarter of a second, because many systems reset a GPU that
 * is busy with one for a few. How long a dispatch will take is learned without waiting for any: a
 * read-back tells how long all that was submitted since the last one took, which corrects what its kernels
 * were believed to cost, each by its share. Where the stream is cut changes no result.
 */
export class Pace {
  private readonly active: Cost[] = [];
  /** Estimated seconds of what is recorded and not yet submitted. */
  private planned = 0;
  /** When the GPU, idle since the last read-back, was given work again. */
  private began: number | undefined;

  constructor(
    private readonly isSoftware: boolean,
    /** Seconds that a submission should not exceed. */
    readonly longest = LONGEST_SUBMISSION,
    private readonly now: () => number = () => performance.now() / 1000,
  ) {}

  newCost(): Cost {
    return { seconds: FIRST_SECONDS[this.isSoftware ? "software" : "hardware"], groups: 0 };
  }

  /** Notes a dispatch. @returns whether what was recorded so far should be submitted */
  add(cost: Cost, groups: number): boolean {
    if (cost.groups === 0) this.active.push(cost);
    cost.groups += groups;
    this.planned += cost.seconds * groups;
    return this.planned >= this.longest;
  }

  submitted(): void {
    this.planned = 0;
    this.began ??= this.now();
  }

  /** A read-back is done, and with it all that was submitted. */
  finished(): void {
    const { active, began } = this;
    if (began === undefined) return;
    const elapsed = Math.max(1e-6, this.now() - began); // a cost of zero would never be corrected
    let expected = 0;
    for (const { seconds, groups } of active) expected += seconds * groups;
    for (const cost of active) {
      const share = (cost.seconds * cost.groups) / expected;
      cost.seconds *= (elapsed / expected) ** share;
      cost.groups = 0;
    }
    active.length = 0;
    this.began = undefined;
  }
}

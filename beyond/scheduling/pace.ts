/** What a kernel over certain tensors is believed to cost. */
export interface Cost {
  /** Of one workgroup, when many are in flight. */
  seconds: number;
  /** Workgroups dispatched in the stretch that is being recorded. */
  groups: number;
}

/** Work whose end is looked out for: a submission that takes long, and the short ones before it. */
export interface Stretch {
  readonly costs: Cost[];
  /** Workgroups of each. */
  readonly groups: number[];
  /** The submission with which it ends, counted from the first. */
  last: number;
}

/**
 * What an invocation is believed to take before any was timed: what it may take on a slow adapter of the kind
 * with models of a billion parameters. Where a shader has loops, that may be thousands of rounds.
 */
const FIRST_SECONDS = {
  software: { straight: 3e-6, looping: 5e-4 },
  hardware: { straight: 1e-7, looping: 3e-5 },
};
const LONGEST_SUBMISSION = 0.25;
const LONGEST_WORK = 10; // seconds, longer than any system lets a GPU be busy

/**
 * Says where to cut the command stream into submissions of up to a quarter of a second, because many
 * systems reset a GPU that is busy with one for two. How long a dispatch will take is learned without waiting
 * for any: the end of a long submission, or of all (a read-back), tells how long all took since the last such
 * end, which corrects what its dispatches were believed to cost, each by its share. Where the stream is
 * cut changes no result.
 */
export class Pace {
  private stretch = newStretch();
  /** Those that are done, for use again. */
  private readonly spare: Stretch[] = [];
  /** Estimated seconds of what is recorded and not yet submitted. */
  private planned = 0;
  private submissions = 0;
  /** When the GPU was given, or began, what it now works on. */
  private began: number | undefined;

  constructor(
    private readonly isSoftware: boolean,
    /** Seconds that a submission should not exceed. */
    readonly longest = LONGEST_SUBMISSION,
    private readonly now: () => number = () => performance.now() / 1000,
  ) {}

  /** Of a workgroup of so many invocations that was not timed yet. */
  newCost({ invocations, loops }: { invocations: number; loops: boolean }): Cost {
    const { straight, looping } = FIRST_SECONDS[this.isSoftware ? "software" : "hardware"];
    return { seconds: invocations * (loops ? looping : straight), groups: 0 };
  }

  /** Workgroups that one submission may hold; one cannot be cut. */
  most({ seconds }: Cost): number {
    return Math.max(1, Math.floor(this.longest / seconds));
  }

  /** Whether so many workgroups should come after what is recorded, and not in a submission of their own. */
  hasRoom({ seconds }: Cost, groups: number): boolean {
    return this.planned === 0 || this.planned + seconds * groups <= this.longest;
  }

  /** Notes a dispatch. */
  add(cost: Cost, groups: number): void {
    if (cost.groups === 0) this.stretch.costs.push(cost);
    cost.groups += groups;
    this.planned += cost.seconds * groups;
  }

  /** What is recorded was submitted. @returns what `finished` should be told the end of, if anything */
  submitted(): Stretch | undefined {
    const isLong = this.planned > this.longest / 2;
    this.planned = 0;
    this.submissions++;
    this.began ??= this.now();
    return isLong ? this.takeStretch() : undefined;
  }

  /**
   * This stretch is done, and not to be used any more; without one, all that was submitted.
   * @returns whether nothing was submitted after it
   */
  finished(stretch: Stretch = this.takeStretch()): boolean {
    const { costs, groups, last } = stretch;
    const now = this.now();
    const { began } = this;
    const isAll = last === this.submissions;
    this.began = isAll ? undefined : now;
    if (began !== undefined && costs.length > 0) correct(costs, groups, now - began);
    costs.length = 0;
    groups.length = 0;
    this.spare.push(stretch);
    return isAll;
  }

  /** What was submitted since the last one was taken. */
  takeStretch(): Stretch {
    const { stretch } = this;
    for (const cost of stretch.costs) {
      stretch.groups.push(cost.groups);
      cost.groups = 0;
    }
    stretch.last = this.submissions;
    this.stretch = this.spare.pop() ?? newStretch();
    return stretch;
  }
}

const newStretch = (): Stretch => ({ costs: [], groups: [], last: 0 });

/**
 * Corrects costs by what they came to together. Those that make up the most of it change the most, so that,
 * to first order, the new ones add up. The host may have noticed the beginning late, and a submission that
 * takes too long does more harm than one that is short: so no cost falls by more than half. A stretch of more than
 * LONGEST_WORK was not all work: the machine slept.
 */
function correct(costs: readonly Cost[], groups: readonly number[], elapsed: number): void {
  let expected = 0;
  let squares = 0;
  for (let i = 0; i < costs.length; i++) {
    const part = costs[i].seconds * groups[i];
    expected += part;
    squares += part * part;
  }
  const ratio = Math.max(0.5, Math.min(elapsed, LONGEST_WORK) / expected);
  for (let i = 0; i < costs.length; i++) {
    const weight = (costs[i].seconds * groups[i] * expected) / squares;
    costs[i].seconds *= ratio ** Math.min(1, weight);
  }
}

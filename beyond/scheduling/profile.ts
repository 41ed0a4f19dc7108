import { UserError } from "../../lib/errors.ts";

const PROFILE_DETAILS = ["kernels", "passes"] as const;
/** What is timed: every dispatch, in a pass of its own; or the passes that are recorded anyway. */
export type ProfileDetail = (typeof PROFILE_DETAILS)[number];

/** How long one kind of work took altogether, and how often it was done; parts of a dispatch count each. */
export interface Spent {
  seconds: number;
  calls: number;
}

/** What the GPU did in one stage of a run, such as sampling. */
export interface StageProfile {
  /** By kernel, as `shader.entry`; with the detail "passes" all of it is under `passes`. */
  readonly kernels: Map<string, Spent>;
  /** From the end of a submission to the beginning of the next: the GPU had nothing to do. */
  readonly idle: Spent;
  /** Between passes of a submission: copies and clears, and what a pass of its own costs a dispatch. */
  readonly between: Spent;
}

/** The stage under which the GPU idles from one stage to the next. */
export const BETWEEN_STAGES = "between stages";

const PASSES = 2048; // of two timestamps: a query set may hold 4,096
const BYTES = PASSES * 2 * 8;

/**
 * Where the GPU's time goes, by stage and kernel, from timestamps at the beginning and end of passes.
 * With the detail "kernels" the small ones take a few microseconds longer than in a run, and what
 * changing passes costs is in `between`; with "passes" a run takes its usual course, and what is of
 * interest is how long the GPU idles.
 */
export class Profile {
  readonly stages = new Map<string, StageProfile>();
  /** Passes that were not timed, because nothing was read back for too long. */
  missed = 0;
  /** Where passes are timed now, and where those were of which the timestamps are on their way. */
  private readonly halves: [Half, Half];
  private submission = 0;
  private last: { stage: string; submission: number; end: bigint } | undefined;

  /** @throws UserError if the adapter has no timestamps */
  constructor(
    device: GPUDevice,
    readonly detail: ProfileDetail,
  ) {
    if (!device.features.has("timestamp-query")) {
      throw new UserError("a profile needs timestamps, which this adapter has not");
    }
    this.halves = [makeHalf(device), makeHalf(device)];
  }

  /** How to begin the next pass so that it is timed, as one of `kernel` in `stage`. */
  pass(kernel: string, stage: string): GPUComputePassDescriptor | undefined {
    const { passes, descriptors } = this.halves[0];
    if (passes.length === PASSES) {
      this.missed++;
      return undefined;
    }
    const name = this.detail === "passes" ? "passes" : kernel.split(" ")[0];
    passes.push({ kernel: name, stage, submission: this.submission });
    return descriptors[passes.length - 1];
  }

  /** Passes from here on belong to another submission. */
  nextSubmission(): void {
    this.submission++;
  }

  /**
   * Whether it is time to `collect`. Seldom, because that is work of the GPU's which falls into its idle
   * time, but often enough that the passes before the next read-back have room.
   */
  get isFull(): boolean {
    const [now, before] = this.halves;
    return now.passes.length > PASSES / 4 && before.passes.length === 0;
  }

  /**
   * Lets what is recorded bring the timestamps so far to where `collect` finds them. What `collect` is to
   * find of an earlier time must be collected.
   */
  resolve(encoder: GPUCommandEncoder): void {
    this.halves.reverse();
    const { passes, queries, resolved, mappable } = this.halves[1];
    const count = 2 * passes.length;
    if (count === 0) return;
    encoder.resolveQuerySet(queries, 0, count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, mappable, 0, count * 8);
  }

  /** Adds up the timestamps that were resolved; what resolved them must have been submitted. */
  async collect(): Promise<void> {
    const { passes, mappable } = this.halves[1];
    if (passes.length === 0) return;
    await mappable.mapAsync(1 /* READ */);
    const stamps = new BigUint64Array(mappable.getMappedRange());
    for (const [i, { kernel, stage, submission }] of passes.entries()) {
      this.count(kernel, stage, submission, stamps[2 * i], stamps[2 * i + 1]);
    }
    mappable.unmap();
    passes.length = 0;
  }

  private count(kernel: string, stage: string, submission: number, begin: bigint, end: bigint) {
    const { kernels } = this.stage(stage);
    let spent = kernels.get(kernel);
    if (!spent) {
      spent = { seconds: 0, calls: 0 };
      kernels.set(kernel, spent);
    }
    spend(spent, begin, end);
    const { last } = this;
    if (last && begin > last.end) {
      const { idle, between } = this.stage(stage === last.stage ? stage : BETWEEN_STAGES);
      spend(submission === last.submission ? between : idle, last.end, begin);
    }
    this.last = { stage, submission, end };
  }

  private stage(name: string): StageProfile {
    let stage = this.stages.get(name);
    if (!stage) {
      const empty = () => ({ seconds: 0, calls: 0 });
      stage = { kernels: new Map(), idle: empty(), between: empty() };
      this.stages.set(name, stage);
    }
    return stage;
  }
}

/** Timestamps of up to `PASSES` passes. */
interface Half {
  passes: { kernel: string; stage: string; submission: number }[];
  descriptors: readonly GPUComputePassDescriptor[];
  queries: GPUQuerySet;
  resolved: GPUBuffer;
  mappable: GPUBuffer;
}

function makeHalf(device: GPUDevice): Half {
  const label = "profile";
  const queries = device.createQuerySet({ label, type: "timestamp", count: 2 * PASSES });
  const buffer = (usage: number) => device.createBuffer({ label, size: BYTES, usage });
  return {
    passes: [],
    descriptors: Array.from({ length: PASSES }, (_, i) => ({
      timestampWrites: {
        querySet: queries,
        beginningOfPassWriteIndex: 2 * i,
        endOfPassWriteIndex: 2 * i + 1,
      },
    })),
    queries,
    resolved: buffer(0x200 /* QUERY_RESOLVE */ | 0x04 /* COPY_SRC */),
    mappable: buffer(0x01 /* MAP_READ */ | 0x08 /* COPY_DST */),
  };
}

function spend(spent: Spent, begin: bigint, end: bigint): void {
  spent.seconds += Number(end - begin) / 1e9;
  spent.calls++;
}

/** Seconds that kernels ran in a stage. */
export const busySeconds = ({ kernels }: StageProfile): number =>
  kernels.values().reduce((sum, { seconds }) => sum + seconds, 0);

/** The share of a stage's time, from 0 to 1, in which the GPU had nothing to do. */
export function idleShare(stage: StageProfile): number {
  const { idle, between } = stage;
  return idle.seconds / (idle.seconds + between.seconds + busySeconds(stage));
}

/** The profile as a table for people: the stages, and in each its kernels, longest first. */
export function profileTable({ stages, missed }: Profile): string[] {
  const ms = (seconds: number) => `${(1000 * seconds).toFixed(1).padStart(11)} ms`;
  const percent = (share: number) => `${(100 * share).toFixed(1).padStart(6)} %`;
  const lines: string[] = [];
  for (const [name, stage] of stages) {
    const { idle, between, kernels } = stage;
    const busy = busySeconds(stage);
    const whole = busy + idle.seconds + between.seconds;
    const row = (label: string, { seconds, calls }: Spent) => {
      const each = ((1e6 * seconds) / calls).toFixed(1).padStart(10);
      const numbers = `${calls}`.padStart(9);
      return `  ${label.padEnd(32)}${ms(seconds)}${percent(seconds / whole)}${numbers} x ${each} us`;
    };
    lines.push(`GPU time, ${name}:${ms(whole)}`);
    const longest = [...kernels].sort(([, a], [, b]) => b.seconds - a.seconds);
    for (const [kernel, spent] of longest) lines.push(row(kernel, spent));
    if (between.calls > 0) lines.push(row("(copies, and between passes)", between));
    if (idle.calls > 0) lines.push(row("(idle)", idle));
  }
  if (missed > 0) lines.push(`${missed} passes were not timed`);
  return lines;
}

/** The profile that RLEXPLORE_PROFILE asks for, if it does. @throws UserError if there is none such */
export function requestedProfile(
  request: string | undefined = process.env.RLEXPLORE_PROFILE,
): ProfileDetail | undefined {
  if (!request) return undefined;
  const detail = PROFILE_DETAILS.find((name) => name === request);
  if (!detail) {
    throw new UserError(`RLEXPLORE_PROFILE is ${PROFILE_DETAILS.join(" or ")}, not "${request}"`);
  }
  return detail;
}

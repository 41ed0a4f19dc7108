import type { SystemGpu } from "../../beyond/platform/gpu.ts";
import type { Dtype } from "../../beyond/storage/precision.ts";
import { Random } from "../../lib/random.ts";
import type { JaxFunction } from "./jax.ts";
import type { OurTask } from "./ours.ts";

/** Numbers and their shape, the same for all who compute with them. */
export interface Values {
  shape: readonly number[];
  data: Float32Array;
}
export type Named<T> = Record<string, T>;

/** One computation, and how each does it. */
export interface Task {
  name: string;
  dtype: Dtype;
  inputs: Named<Values>;
  ours(gpu: SystemGpu, inputs: Named<Values>): OurTask;
  jax: JaxFunction;
  /** What torch.py is asked for. */
  torch: { op: string; settings: Record<string, number | string> };
}

/** A library that has made ready to do a task. */
export interface Contestant {
  /** Seconds for doing the task so many times, until the last result is there. */
  run(times: number): Promise<number>;
  /** Does it once more and reads all outputs and gradients back. */
  results(): Promise<Named<Float32Array>>;
  close(): void;
}

/**
 * The best seconds of each contestant for one time. They take turns, so that what else the machine does
 * falls on all of them; each turn is repeated until it lasts `seconds`.
 */
export async function race(
  contestants: readonly Contestant[],
  { rounds = 3, seconds = 0.1 } = {},
): Promise<number[]> {
  const times: number[] = [];
  for (const contestant of contestants) {
    await contestant.run(1); // compiles
    let repeats = 1;
    let elapsed = await contestant.run(repeats);
    while (elapsed < seconds) {
      repeats *= Math.min(8, Math.ceil((1.2 * seconds) / elapsed));
      elapsed = await contestant.run(repeats);
    }
    times.push(repeats);
  }
  const best = contestants.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < rounds; round++) {
    for (const [i, contestant] of contestants.entries()) {
      best[i] = Math.min(best[i], (await contestant.run(times[i])) / times[i]);
    }
  }
  return best;
}

/** The largest |a - b| of all outputs and gradients, each relative to the largest |a| in it. */
export function largestDifference(a: Named<Float32Array>, b: Named<Float32Array>): number {
  let largest = 0;
  for (const name of Object.keys(a)) {
    if (a[name].length !== b[name]?.length) {
      throw new Error(`${name} has ${a[name].length} numbers here, ${b[name]?.length} there`);
    }
    let [scale, difference] = [0, 0];
    for (let i = 0; i < a[name].length; i++) {
      scale = Math.max(scale, Math.abs(a[name][i]));
      difference = Math.max(difference, Math.abs(a[name][i] - b[name][i]));
    }
    // A NaN loses every comparison, and must not pass for equal.
    const finite = a[name].every(Number.isFinite) && b[name].every(Number.isFinite);
    largest = Math.max(largest, finite ? difference / scale : Number.POSITIVE_INFINITY);
  }
  return largest;
}

/** Uniform in [-1, 1) x `scale`. */
export function randomValues(seed: number, shape: readonly number[], scale = 1): Values {
  const random = new Random(seed);
  const length = shape.reduce((a, b) => a * b, 1);
  const data = Float32Array.from({ length }, () => scale * (2 * random.float() - 1));
  return { shape, data };
}

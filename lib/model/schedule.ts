/** How the learning rate moves after the warm-up: it stays, or falls to 0 at `maxSteps`. */
export type Schedule = "constant" | "linear" | "cosine";

export interface ScheduleSettings {
  /** The peak, reached when the warm-up ends. */
  readonly learningRate: number;
  readonly warmupSteps: number;
  readonly maxSteps: number;
  readonly schedule: Schedule;
}

/**
 * The learning rate of optimizer step `step` (0-based), with the factors of transformers'
 * `get_{constant,linear,cosine}_schedule_with_warmup`. For w = warmupSteps, m = maxSteps:
 *
 *     step < w    step / w                (so the first step of a warm-up moves nothing)
 *     constant    1
 *     linear      (m - step) / (m - w)
 *     cosine      (1 + cos(pi (step - w) / (m - w))) / 2
 */
export function learningRateAt(step: number, settings: ScheduleSettings): number {
  const { learningRate, warmupSteps, maxSteps, schedule } = settings;
  if (step < warmupSteps) return learningRate * (step / warmupSteps);
  if (schedule === "constant") return learningRate;
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, maxSteps - warmupSteps));
  if (schedule === "linear") return learningRate * (1 - progress);
  return (learningRate * (1 + Math.cos(Math.PI * progress))) / 2;
}

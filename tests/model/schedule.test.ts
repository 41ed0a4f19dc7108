import { expect, test } from "bun:test";
import { learningRateAt, type Schedule } from "../../lib/model/schedule.ts";

function rates(schedule: Schedule, warmupSteps: number): number[] {
  const settings = { learningRate: 0.5, warmupSteps, maxSteps: 6, schedule };
  return [0, 1, 2, 3, 4, 5, 6].map((step) => learningRateAt(step, settings));
}

// Rates by transformers 5.23.0: get_*_schedule_with_warmup(optimizer with lr 0.5, 2, 6).
const afterWarmup: Record<Schedule, number[]> = {
  constant: [0, 0.25, 0.5, 0.5, 0.5, 0.5, 0.5],
  linear: [0, 0.25, 0.5, 0.375, 0.25, 0.125, 0],
  cosine: [0, 0.25, 0.5, 0.4267766952966369, 0.25, 0.07322330470336313, 0],
};
for (const schedule of ["constant", "linear", "cosine"] as const) {
  test(`${schedule} after a warm-up of 2 of 6 steps`, () => {
    for (const [step, rate] of rates(schedule, 2).entries()) {
      expect(rate).toBeCloseTo(afterWarmup[schedule][step], 15);
    }
  });

  test(`${schedule} without a warm-up starts at the peak`, () => {
    expect(rates(schedule, 0)[0]).toBe(0.5);
  });

  test(`${schedule} is finite when the warm-up lasts the whole run`, () => {
    expect(rates(schedule, 6).every(Number.isFinite)).toBe(true);
  });
}

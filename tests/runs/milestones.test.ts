import { expect, test } from "bun:test";
import type { Evaluation } from "../../beyond/measuring/evaluation.ts";
import {
  type Evaluations,
  type MilestoneSettings,
  Milestones,
} from "../../beyond/runs/milestones.ts";

const evaluationOf = (passAt1: number): Evaluation => ({
  questions: 1,
  samples: 1,
  figures: { "pass@1": passAt1 },
});

/** Runs all steps of a run whose model is as good as `passAt1` says, and tells what was done. */
async function done(given: Partial<MilestoneSettings>, passAt1: (step: number) => number) {
  const log: string[] = [];
  const settings = { maxSteps: 6, evalSteps: 2, saveSteps: 100, saveBest: true, ...given };
  const evaluations: Evaluations = { before: null, best: null };
  const deeds = {
    async evaluate(step: number, name: string) {
      log.push(`evaluate ${name}`);
      return evaluationOf(passAt1(step));
    },
    async save(step: number) {
      log.push(`save ${step}`);
    },
    prune: (keep: readonly number[]) => void log.push(`keep ${keep}`),
  };
  const milestones = new Milestones("run", settings, evaluations, deeds, 0);
  await milestones.base(0);
  await milestones.base(0);
  for (let step = 1; step <= settings.maxSteps; step++) await milestones.reached(step);
  await milestones.last(settings.maxSteps);
  const path = await milestones.save(settings.maxSteps);
  return { log, evaluations, path, kept: milestones.kept };
}

test("--save-best saves a model that is better than any before, and keeps it from being deleted", async () => {
  const { log, evaluations, path } = await done({}, (step) => (step === 2 ? 0.9 : 0.5));
  expect(log).toEqual([
    "evaluate the base model",
    "evaluate step 2",
    "save 2",
    "keep 2",
    "evaluate step 4",
    "evaluate the trained model",
    "save 6",
    "keep 2",
  ]);
  expect(evaluations.best).toEqual({ step: 2, passAt1: 0.9 });
  expect(evaluations.before).toEqual(evaluationOf(0.5));
  expect(path).toBe("run/checkpoint-6");
});

test("the last model may be the best; as good as the best is not better", async () => {
  const { log, evaluations } = await done({}, (step) => (step === 6 ? 0.9 : 0.5));
  expect(log.filter((line) => line.startsWith("save"))).toEqual(["save 2", "save 6"]);
  expect(log.at(-1)).toBe("keep 6");
  expect(evaluations.best?.step).toBe(6);
});

test("without it checkpoints come every --save-steps and at the end, and none is kept for being good", async () => {
  const { log, kept } = await done({ saveBest: false, saveSteps: 3, evalSteps: 0 }, () => 1);
  expect(log).toEqual([
    "evaluate the base model",
    "save 3",
    "keep ",
    "evaluate the trained model",
    "save 6",
    "keep ",
  ]);
  expect(kept).toBe("checkpoint-6 is untouched");
});

test("a step is saved once, also by a run that goes on from it", async () => {
  const saved: number[] = [];
  const deeds = {
    evaluate: async () => evaluationOf(0),
    async save(step: number) {
      saved.push(step);
    },
    prune: () => {},
  };
  const settings = { maxSteps: 6, evalSteps: 0, saveSteps: 1, saveBest: false };
  const goingOn = new Milestones("run", settings, { before: null, best: null }, deeds, 3);
  for (const step of [3, 4, 4]) await goingOn.save(step);
  expect(saved).toEqual([4]);
  const begun = new Milestones("run", settings, { before: null, best: null }, deeds, 0);
  expect([goingOn.kept, begun.kept]).toEqual([
    "checkpoint-4 is untouched",
    "nothing was saved yet",
  ]);
});

/** Figures on held-out questions, in means over seeds with their intervals. */

import {
  type Estimate,
  estimate,
  estimateDifference,
  type Resamples,
} from "../measuring/bootstrap.ts";
import { resamplesFor } from "../measuring/evaluation.ts";
import type { Ratio } from "../measuring/figures.ts";
import type { HeldOut } from "./evaluations.ts";
import type { Method } from "./methods.ts";
import type { ReportedRun } from "./runs.ts";
import { type Interval, mean, seedInterval } from "./statistics.ts";

/** Which evaluation of a run: of the base model, of an early and of the last checkpoint. */
export type Moment = "base" | "early" | "last";

/** The step of that evaluation; early is the one nearest to a quarter of the run. Null without one. */
export function momentStep({ evaluations }: ReportedRun, moment: Moment): number | null {
  const { steps } = evaluations;
  const trained = steps.filter((step) => step > 0);
  if (moment === "base") {
    // a run that went on with other questions has no base model any more
    const { likeness } = evaluations.at(0) ?? {};
    const isBase = (step: number) => evaluations.at(step)?.likeness === likeness;
    return likeness && (trained.length === 0 || trained.some(isBase)) ? 0 : null;
  }
  const last = trained.at(-1) ?? null;
  if (moment === "last" || last === null) return last;
  const distance = (step: number) => Math.abs(step - last / 4);
  const [nearest] = trained.slice(0, -1).sort((a, b) => distance(a) - distance(b));
  return nearest ?? null;
}

/** Models that differ in their seed alone. */
export interface Models {
  name: string;
  runs: readonly ReportedRun[];
  moment: Moment;
}

/** The methods at a moment, as far as they were evaluated then. */
export function modelsAt(methods: readonly Method[], moment: "early" | "last"): Models[] {
  return methods
    .map(({ name, runs }) => ({
      name,
      runs: runs.filter((run) => momentStep(run, moment) !== null),
      moment,
    }))
    .filter(({ runs }) => runs.length > 0);
}

/**
 * The base models, as `sample-base` or the runs of `train` evaluated them, once a seed: one for each model and each way
 * in which it was asked, told apart by the run where there are several.
 */
export function baseModels(methods: readonly Method[]): Models[] {
  const runs = methods.flatMap(({ runs }) => runs);
  const evaluated = runs.filter((run) => momentStep(run, "base") !== null);
  const kinds = Map.groupBy(evaluated, (run) =>
    JSON.stringify([run.settings.model, run.evaluations.at(0)?.likeness]),
  );
  return [...kinds.values()].map((some) => {
    const sampled = some.filter(({ settings }) => settings.explore === undefined);
    const bySeed = Map.groupBy(
      sampled.length > 0 ? sampled : some,
      ({ settings }) => settings.seed,
    );
    const name = kinds.size > 1 ? `base of ${some[0].name}` : "base";
    return { name, runs: [...bySeed.values()].map(([run]) => run), moment: "base" };
  });
}

/** The base model that models are compared with: what they were trained from, asked as they were. */
export function baseOf(models: Models, bases: readonly Models[]): Models | null {
  const { model } = models.runs[0].settings;
  return (
    bases.find((base) => base.runs[0].settings.model === model && alike([base, models])) ?? null
  );
}

/** The evaluation of each of these models. */
export const heldOutOf = ({ runs, moment }: Models): HeldOut[] =>
  runs.flatMap((run) => {
    const step = momentStep(run, moment);
    return (step === null ? null : run.evaluations.at(step)) ?? [];
  });

/** The k of pass@k that all these models have, ascending. */
export function ksOf(models: readonly Models[]): number[] {
  const ks = models.flatMap(heldOutOf).map(({ values }) => {
    const found = Object.keys(values).flatMap((name) => /^pass@(\d+)$/.exec(name)?.[1] ?? []);
    return new Set(found.map(Number));
  });
  return [...(ks[0] ?? [])].filter((k) => ks.every((set) => set.has(k))).sort((a, b) => a - b);
}

/** A figure of each of these models; those that are not defined are left out. */
const valuesOf = (models: Models, name: string): number[] =>
  heldOutOf(models).flatMap(({ values }) => values[name] ?? []);

/** The mean of a figure, with its 95 % interval: the bootstrap's, or Student's where no counts were kept. */
export function estimateOf(models: Models, name: string): Interval | null {
  if (!alike([models])) return null;
  const ratios = heldOutOf(models).map(({ figures }) => figures?.[name]);
  if (ratios.length > 0 && ratios.every((ratio) => ratio !== undefined)) {
    return intervalOf(estimate(ratios, resamples(ratios)));
  }
  const values = valuesOf(models, name);
  return values.length > 0 ? (seedInterval(values) ?? { mean: mean(values) }) : null;
}

/** What a figure gains from some models to others, paired by question and seed. Null if nothing pairs. */
export function gainOf(from: Models, to: Models, name: string): Interval | null {
  const runs = to.runs.filter((run) => partnerOf(run, from));
  const b = { ...to, runs };
  const a = { ...from, runs: runs.flatMap((run) => partnerOf(run, from) ?? []) };
  const [before, after] = [a, b].map((models) =>
    heldOutOf(models).flatMap(({ figures }) => figures?.[name] ?? []),
  );
  if (runs.length === 0 || !alike([a, b])) return null;
  if (before.length < runs.length || after.length < runs.length) return null;
  return intervalOf(estimateDifference(before, after, resamples(before)));
}

const partnerOf = ({ settings }: ReportedRun, { runs }: Models) =>
  runs.find((run) => run.settings.seed === settings.seed);

/** Whether all these models were asked the same questions in the same way. */
function alike(models: readonly Models[]): boolean {
  return new Set(models.flatMap(heldOutOf).map(({ likeness }) => likeness)).size === 1;
}

const intervalOf = ({ value, low, high }: Estimate): Interval | null =>
  value === null ? null : { mean: value, low: low ?? undefined, high: high ?? undefined };

const drawn = new Map<string, Resamples>();

/** The draws for ratios of these sizes: always the same, so they are made once. */
function resamples(ratios: readonly Ratio[]): Resamples {
  const [questions, seeds] = [ratios[0].of.length, ratios.length];
  const key = `${questions} ${seeds}`;
  const found = drawn.get(key) ?? resamplesFor(questions, seeds);
  drawn.set(key, found);
  return found;
}

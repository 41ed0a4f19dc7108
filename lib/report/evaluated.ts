/** The evaluations of runs on held-out questions, and figures over several seeds with their intervals. */
import { type Evaluation, resamplesFor } from "../evaluation.ts";
import {
  type Estimate,
  estimate,
  estimateDifference,
  type Resamples,
} from "../explore/bootstrap.ts";
import { passAtK } from "../explore/estimators.ts";
import type { Ratio } from "../explore/figures.ts";
import type { ReportedRun } from "./runs.ts";
import { type Interval, mean, seedInterval } from "./statistics.ts";

/** Which evaluation of a run: of the base model, of an early and of the last checkpoint. */
export type Moment = "base" | "early" | "last";

/** The step of that evaluation; early is the one nearest to a quarter of the run. Null without one. */
export function momentStep({ evaluations }: ReportedRun, moment: Moment): number | null {
  const steps = [...new Set(evaluations.map(({ step }) => step))].sort((a, b) => a - b);
  if (moment === "base") return steps[0] === 0 ? 0 : null;
  const trained = steps.filter((step) => step > 0);
  const last = trained.at(-1) ?? null;
  if (moment === "last" || last === null) return last;
  const distance = (step: number) => Math.abs(step - last / 4);
  const [nearest] = trained.slice(0, -1).sort((a, b) => distance(a) - distance(b));
  return nearest ?? null;
}

/** The evaluations of these runs at a moment, as far as they were made. */
export function evaluationsAt(runs: readonly ReportedRun[], moment: Moment): Evaluation[] {
  return runs.flatMap((run) => {
    const step = momentStep(run, moment);
    return run.evaluations.findLast((line) => line.step === step)?.evaluation ?? [];
  });
}

/** The k of pass@k that all these evaluations have, ascending. */
export function ksOf(evaluations: readonly Evaluation[]): number[] {
  const ks = evaluations.map(({ figures }) =>
    Object.keys(figures).flatMap((name) => /^pass@(\d+)$/.exec(name)?.[1] ?? []),
  );
  return (ks[0] ?? [])
    .filter((k) => ks.every((others) => others.includes(k)))
    .map(Number)
    .sort((a, b) => a - b);
}

/** The values of a figure, by run; those that are not defined are left out. */
export const valuesOf = (evaluations: readonly Evaluation[], name: string): number[] =>
  evaluations.flatMap(({ figures }) => figures[name] ?? []);

/** pass@k of these runs at a moment: their mean, with its 95 % interval. Null without evaluations. */
export function passEstimate(
  runs: readonly ReportedRun[],
  moment: Moment,
  k: number,
): Interval | null {
  const values = valuesOf(evaluationsAt(runs, moment), `pass@${k}`);
  if (values.length === 0) return null;
  const ratios = ratiosAt(runs, moment, k);
  if (ratios === null) return seedInterval(values) ?? { mean: mean(values) };
  return intervalOf(estimate(ratios, resamples(ratios)));
}

/** What pass@k gains between two moments or methods, paired by question and seed. Null if nothing pairs. */
export function passGain(
  from: { runs: readonly ReportedRun[]; moment: Moment },
  to: { runs: readonly ReportedRun[]; moment: Moment },
  k: number,
): Interval | null {
  const pairs = to.runs.flatMap((run) => {
    const partner = from.runs.find(({ settings }) => settings.seed === run.settings.seed);
    return partner ? [{ a: partner, b: run }] : [];
  });
  const a = ratiosAt(
    pairs.map((pair) => pair.a),
    from.moment,
    k,
  );
  const b = ratiosAt(
    pairs.map((pair) => pair.b),
    to.moment,
    k,
  );
  if (!a || !b || a.length === 0 || a[0].of.length !== b[0].of.length) return null;
  return intervalOf(estimateDifference(a, b, resamples(a)));
}

const intervalOf = ({ value, low, high }: Estimate): Interval | null =>
  value === null ? null : { mean: value, low: low ?? undefined, high: high ?? undefined };

const drawn = new Map<string, Resamples>();

/** The draws for ratios of this shape: always the same, so they are made once. */
function resamples(ratios: readonly Ratio[]): Resamples {
  const [questions, seeds] = [ratios[0].of.length, ratios.length];
  const key = `${questions} ${seeds}`;
  const found = drawn.get(key) ?? resamplesFor(questions, seeds);
  drawn.set(key, found);
  return found;
}

/** pass@k by question, of each run; null unless all runs kept the counts of the same questions. */
function ratiosAt(runs: readonly ReportedRun[], moment: Moment, k: number): Ratio[] | null {
  const tallies = runs.map((run) => {
    const step = momentStep(run, moment);
    return step === null ? null : run.tallies(step);
  });
  const [first] = tallies;
  if (!first) return null;
  const ratios: Ratio[] = [];
  for (const some of tallies) {
    const same = some?.length === first.length && some[0].question === first[0].question;
    if (!some || !same || some.some(({ samples }) => samples < k)) return null;
    const of = some.map(({ samples, correct }) => passAtK(samples, correct, k));
    ratios.push({ of, per: of.map(() => 1) });
  }
  return ratios;
}

import { join } from "node:path";
import { evaluationPath, figuresAt, readEvaluation, resamplesFor } from "../evaluation.ts";
import { type Estimate, estimate, estimateDifference } from "../explore/bootstrap.ts";
import {
  coverageAfter,
  historiesOf,
  type QuestionHistory,
  unsolvedAfter,
} from "../explore/coverage.ts";
import type { Figures, Ratio } from "../explore/figures.ts";
import { LedgerReader } from "../ledger.ts";
import { table } from "../progress.ts";
import { BASE, type Experiment, type PlannedRun } from "./experiment.ts";

type Estimates = Record<string, Estimate>;

/** What came out of an experiment, in means over seeds; intervals over questions and seeds. */
export interface Results {
  /** The method that `change` compares with. */
  reference: string;
  questions: number;
  samples: number;
  methods: MethodResults[];
}

export interface MethodResults {
  method: string;
  seeds: number[];
  evaluations: {
    step: number;
    figures: Estimates;
    /** What the method gains over the reference after as many steps; null for the reference and the base model. */
    change: Estimates | null;
  }[];
  /** Training as sampling: what the first so many samples of each training question showed. */
  sampling: {
    samples: number;
    /** `solved`, `distinct` and `distinctUnsolved` as in `lib/explore/coverage.ts`. */
    figures: Estimates;
    /**
     * What the method gains over the base model, given as many samples; `distinctUnsolved` is here over the
     * questions that neither has solved.
     */
    change: Estimates | null;
  }[];
}

/** Numbers of samples of a question at which runs are compared as samplers, up to what the runs drew. */
const SAMPLES = [8, 16, 32, 64, 128, 256, 512, 1024];

/** @throws UserError if an evaluation or a ledger of the experiment is missing */
export function resultsOf(folder: string, { runs, heldOut }: Experiment): Results {
  const methods = [...new Set(runs.map(({ method }) => method))];
  const ofMethod = (method: string) => runs.filter((run) => run.method === method);
  const reference = methods.find((method) => method === "none") ?? methods[methods.length - 1];
  const figures = new Map<string, Figures>();
  const keyOf = ({ name }: PlannedRun, step: number) => `${name} ${step}`;
  let questions = 0;
  for (const run of runs) {
    for (const step of run.checkpoints) {
      const file = readEvaluation(evaluationPath(join(folder, run.name), heldOut, step));
      questions = file.questions.length;
      figures.set(keyOf(run, step), figuresAt(file.questions, run.evaluation.k));
    }
  }
  const histories = new Map(runs.map((run) => [run, readHistories(folder, run)]));
  const base = ofMethod(BASE);
  return {
    reference,
    questions,
    samples: runs[0].evaluation.numSamples,
    methods: methods.map((method): MethodResults => {
      const some = ofMethod(method);
      const compared = method !== reference && method !== BASE;
      return {
        method,
        seeds: some.map(({ seed }) => seed),
        evaluations: some[0].checkpoints.map((step) => {
          const at = (of: PlannedRun[]) =>
            of.map((run) => figures.get(keyOf(run, step)) as Figures);
          const resamples = resamplesFor(questions, some.length);
          const change = compared ? at(ofMethod(reference)) : null;
          return {
            step,
            figures: mapNames(at(some), (ratios) => estimate(ratios, resamples)),
            change:
              change &&
              mapNames(at(some), (ratios, name) =>
                estimateDifference(
                  change.map((figures) => figures[name]),
                  ratios,
                  resamples,
                ),
              ),
          };
        }),
        sampling: samplingOf(
          some.map((run) => histories.get(run) as QuestionHistory[]),
          method === BASE ? [] : base.map((run) => histories.get(run) as QuestionHistory[]),
        ),
      };
    }),
  };
}

/** Sorted by question, so that runs can be compared question by question. */
function readHistories(folder: string, { name }: PlannedRun): QuestionHistory[] {
  const ledger = new LedgerReader(join(folder, name, "ledger.sqlite"));
  const histories = historiesOf(ledger.rollouts());
  ledger.close();
  return histories.sort((a, b) => (a.question < b.question ? -1 : 1));
}

/** @param base as many seeds as `seeds`, or none where there is nothing to compare with */
function samplingOf(
  seeds: readonly QuestionHistory[][],
  base: readonly QuestionHistory[][],
): MethodResults["sampling"] {
  const least = Math.min(...seeds.flat().map(({ samples }) => samples));
  const resamples = resamplesFor(seeds[0].length, seeds.length);
  return SAMPLES.filter((samples) => samples <= least).map((samples) => {
    const at = (of: readonly QuestionHistory[][]) => of.map((h) => coverageAfter(h, samples));
    const unsolved = (of: readonly QuestionHistory[][], others: readonly QuestionHistory[][]) =>
      of.map((histories, s) => {
        const open = others[s].filter((history) => unsolvedAfter(history, samples));
        const names = new Set(open.map(({ question }) => question));
        return coverageAfter(histories, samples, (question) => names.has(question));
      });
    const figures = mapNames(at(seeds), (ratios) => estimate(ratios, resamples));
    if (base.length !== seeds.length) return { samples, figures, change: null };
    const ours = at(seeds);
    const theirs = at(base);
    const both = {
      ours: unsolved(seeds, base).map((c) => c.distinctUnsolved),
      theirs: unsolved(base, seeds).map((c) => c.distinctUnsolved),
    };
    const change = mapNames(ours, (ratios, name) =>
      estimateDifference(
        theirs.map((coverage) => (coverage as Record<string, Ratio>)[name]),
        ratios,
        resamples,
      ),
    );
    change.distinctUnsolved = estimateDifference(both.theirs, both.ours, resamples);
    return { samples, figures, change };
  });
}

/** Makes an estimate of each named ratio from its values by seed. */
function mapNames<T extends { [K in keyof T]: Ratio }>(
  seeds: readonly T[],
  make: (ratios: Ratio[], name: string) => Estimate,
): Estimates {
  const names = Object.keys(seeds[0]) as (keyof T & string)[];
  return Object.fromEntries(
    names.map((name) => [
      name,
      make(
        seeds.map((figures) => figures[name]),
        name,
      ),
    ]),
  );
}

/** The methods after their last step: a row each, with intervals. */
export function resultTable(folder: string, { methods, questions, samples }: Results): string {
  const names = Object.keys(methods[0].evaluations[0].figures);
  const ks = names.filter((name) => /^pass@(1|8|32|128)$/.test(name));
  const columns = [...ks, names.includes("diff@8") ? "diff@8" : "diff@1", "entropy"];
  const rows = methods.map(({ method, evaluations }) => {
    const last = evaluations[evaluations.length - 1];
    return [
      `${method}, step ${last.step}`,
      ...columns.map((name) => {
        const { value, low, high } = last.figures[name];
        if (value === null || low === null || high === null) return "-";
        return `${value.toFixed(3)} (${low.toFixed(3)}, ${high.toFixed(3)})`;
      }),
    ];
  });
  const seeds = methods[0].seeds.length;
  const title = `${folder}: ${questions} held-out questions, ${samples} samples each, ${seeds === 1 ? "one seed" : `${seeds} seeds`}; 95 % intervals over questions and seeds`;
  return table(title, [["", ...columns], ...rows]);
}

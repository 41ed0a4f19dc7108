import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { UserError } from "../../lib/errors.ts";
import { type Estimate, estimate, estimateDifference } from "../measuring/bootstrap.ts";
import {
  coverageAfter,
  historiesOf,
  type QuestionHistory,
  unsolvedAfter,
} from "../measuring/coverage.ts";
import {
  evaluationPath,
  figuresAt,
  readEvaluation,
  resamplesFor,
} from "../measuring/evaluation.ts";
import type { Figures, Ratio } from "../measuring/figures.ts";
import { RunFolder } from "../runs/folder.ts";
import { LedgerReader } from "../runs/ledger.ts";
import { type Sampling, samplingOf as sampledWith } from "../settings/evaluating.ts";
import { BASE, type Experiment, type PlannedRun } from "./experiment.ts";

type Estimates = Record<string, Estimate>;

/** What came out of an experiment, in means over seeds; intervals over questions and seeds. */
export interface Results {
  /** The method that the others are compared with. */
  reference: string;
  questions: number;
  samples: number;
  methods: MethodResults[];
}

export interface MethodResults {
  method: string;
  seeds: number[];
  /** Of the completions that a run draws up to its last checkpoint, a mean over seeds: what the method costs. */
  tokens: number;
  evaluations: {
    step: number;
    /** Of the samples. */
    temperature: number;
    figures: Estimates;
    /**
     * The gain over the reference after as many steps; null for the reference and the base model, and where the
     * reference was not evaluated in the same way.
     */
    overReference: Estimates | null;
    /** The gain over the base model; null for that, and where it was not evaluated, or in another way. */
    overBase: Estimates | null;
    /** The gain since the first checkpoint that was evaluated; null for that one. */
    sinceFirst: Estimates | null;
  }[];
  /** Training as sampling: what the first so many samples of each training question showed. */
  sampling: {
    samples: number;
    /** `solved`, `distinct` and `distinctUnsolved` as in `beyond/measuring/coverage.ts`. */
    figures: Estimates;
    /**
     * The gain over the base model, given as many samples; `distinctUnsolved` is here over the questions that
     * neither has solved. Null for the base model, and where it was not sampled.
     */
    overBase: Estimates | null;
    /** Likewise over the reference. */
    overReference: Estimates | null;
  }[];
}

/** Numbers of samples of a question at which runs are compared as samplers, up to what the runs drew. */
const SAMPLES = [8, 16, 32, 64, 128, 256, 512, 1024];

const methodsOf = (runs: readonly PlannedRun[]) => [...new Set(runs.map(({ method }) => method))];

/** The method that was asked for; without one `none`, or the last. */
export function referenceOf(runs: readonly PlannedRun[], asked: string | null): string {
  const methods = methodsOf(runs);
  const found = asked ?? (methods.includes("none") ? "none" : methods[methods.length - 1]);
  if (methods.includes(found)) return found;
  throw new UserError(`--reference ${found} is none of the methods: ${methods.join(", ")}`);
}

/**
 * @param reference as `referenceOf` takes it
 * @throws UserError if an evaluation or a ledger of the experiment is missing
 */
export function resultsOf(
  folder: string,
  { runs, heldOut }: Experiment,
  reference: string | null,
): Results {
  const methods = methodsOf(runs);
  const compared = referenceOf(runs, reference);
  const runsOf = (method: string) => runs.filter((run) => run.method === method);
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
  const resamples = resamplesFor(questions, runsOf(compared).length);
  const at = (method: string, step: number) =>
    runsOf(method).map((run) => figures.get(keyOf(run, step)) as Figures);
  const gain = (from: readonly Figures[], to: readonly Figures[]) =>
    mapNames(to, (ratios, name) =>
      estimateDifference(
        from.map((one) => one[name]),
        ratios,
        resamples,
      ),
    );
  const drawn = new Map(runs.map((run) => [run, readDraws(folder, run)]));
  const drawnBy = (method: string) => runsOf(method).map((run) => drawn.get(run) as Draws);
  const historiesBy = (method: string) => drawnBy(method).map(({ histories }) => histories);
  const askedAs = (method: string) => sampledWith(runsOf(method)[0].evaluation as Sampling);
  const isAlike = (a: string, b: string) => isDeepStrictEqual(askedAs(a), askedAs(b));
  const askedOf = (method: string) =>
    historiesBy(method).map((histories) => histories.map(({ question }) => question));
  // a base model that was sampled for a few steps only has not met all questions: it is no sampler to compare with
  const comparedWith = (method: string, other: string) =>
    method === other || !isDeepStrictEqual(askedOf(method), askedOf(other))
      ? []
      : historiesBy(other);
  return {
    reference: compared,
    questions,
    samples: runs[0].evaluation.numSamples,
    methods: methods.map((method): MethodResults => {
      const [{ checkpoints, evaluation }] = runsOf(method);
      const tokens = drawnBy(method).map(({ tokens }) => tokens);
      return {
        method,
        seeds: runsOf(method).map(({ seed }) => seed),
        tokens: tokens.reduce((a, b) => a + b, 0) / tokens.length,
        evaluations: checkpoints.map((step, i) => ({
          step,
          temperature: evaluation.temperature,
          figures: mapNames(at(method, step), (ratios) => estimate(ratios, resamples)),
          overReference:
            method === compared ||
            method === BASE ||
            compared === BASE ||
            !isAlike(method, compared)
              ? null
              : gain(at(compared, step), at(method, step)),
          overBase:
            method === BASE || !methods.includes(BASE) || !isAlike(method, BASE)
              ? null
              : gain(at(BASE, 0), at(method, step)),
          sinceFirst: i > 0 ? gain(at(method, checkpoints[0]), at(method, step)) : null,
        })),
        sampling: samplingOf(
          historiesBy(method),
          comparedWith(method, BASE),
          comparedWith(method, compared),
        ),
      };
    }),
  };
}

/** What a run drew in training. */
interface Draws {
  /** Sorted by question, so that runs can be compared question by question. */
  histories: QuestionHistory[];
  /** Of all completions up to the last checkpoint that is compared, of the base model of all that were asked for. */
  tokens: number;
}

function readDraws(folder: string, { name, base, settings, checkpoints }: PlannedRun): Draws {
  const ledger = new LedgerReader(RunFolder.open(join(folder, name), "the path").ledgerPath);
  const { maxSteps } = settings;
  const histories = historiesOf(upTo(maxSteps, ledger.rollouts()));
  const tokens = ledger.tokens(base ? maxSteps : checkpoints[checkpoints.length - 1]);
  ledger.close();
  return { histories: histories.sort((a, b) => (a.question < b.question ? -1 : 1)), tokens };
}

/** A ledger may hold more steps than the experiment asks for now. */
function* upTo<T extends { step: number }>(last: number, rollouts: Iterable<T>): Generator<T> {
  for (const rollout of rollouts) if (rollout.step <= last) yield rollout;
}

/** @param base,reference as many seeds as `seeds`, or none where there is nothing to compare with */
function samplingOf(
  seeds: readonly QuestionHistory[][],
  base: readonly QuestionHistory[][],
  reference: readonly QuestionHistory[][],
): MethodResults["sampling"] {
  const least = [seeds, base, reference].flat(2).reduce((n, h) => Math.min(n, h.samples), Infinity);
  const resamples = resamplesFor(seeds[0].length, seeds.length);
  return SAMPLES.filter((samples) => samples <= least).map((samples) => {
    const at = (of: readonly QuestionHistory[][]) => of.map((h) => coverageAfter(h, samples));
    const over = (others: readonly QuestionHistory[][]) => {
      if (others.length === 0) return null;
      const theirs = at(others);
      const change = mapNames(at(seeds), (ratios, name) =>
        estimateDifference(
          theirs.map((coverage) => coverage[name]),
          ratios,
          resamples,
        ),
      );
      change.distinctUnsolved = estimateDifference(
        onUnsolvedByBoth(others, seeds, samples),
        onUnsolvedByBoth(seeds, others, samples),
        resamples,
      );
      return change;
    };
    return {
      samples,
      figures: mapNames(at(seeds), (ratios) => estimate(ratios, resamples)),
      overBase: over(base),
      overReference: over(reference),
    };
  });
}

/** Distinct answers on the questions that neither this model nor the other has solved, seed by seed. */
const onUnsolvedByBoth = (
  seeds: readonly QuestionHistory[][],
  others: readonly QuestionHistory[][],
  samples: number,
): Ratio[] =>
  seeds.map((histories, s) => {
    const open = others[s].filter((history) => unsolvedAfter(history, samples));
    const names = new Set(open.map(({ question }) => question));
    const { distinctUnsolved } = coverageAfter(histories, samples, (q) => names.has(q));
    return distinctUnsolved;
  });

/** Makes an estimate of each named ratio from its values by seed. */
function mapNames<T extends { [K in keyof T]: Ratio }>(
  seeds: readonly T[],
  make: (ratios: Ratio[], name: keyof T & string) => Estimate,
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

import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { Random } from "../../lib/random.ts";
import type { RolloutSettings } from "../../lib/rollout.ts";
import type { TuningTable } from "../kernels/variants.ts";
import type { AskedPolicy } from "../opening/run-policy.ts";
import { diskError, replaceFile } from "../platform/files.ts";
import type { Origins } from "../runs/origins.ts";
import { runConfig } from "../runs/versions.ts";
import { type Sampling, samplingOf } from "../settings/evaluating.ts";
import { type PassRow, table } from "../terminal/progress.ts";
import {
  drawResamples,
  type Estimate,
  estimate,
  estimateDifference,
  quotient,
} from "./bootstrap.ts";
import { type Figures, figuresOf } from "./figures.ts";
import { EXACT_MAJORITY } from "./majority.ts";
import type { QuestionTally } from "./tally.ts";

/** What sampling a model many times on each of some questions shows, in a line of `metrics.jsonl`. */
export interface Evaluation {
  questions: number;
  /** Completions of each question. */
  samples: number;
  /** What they were drawn with; version 0.1.0 kept it in files alone. */
  sampling?: Sampling;
  /** By name, as in `beyond/measuring/figures.ts`; null where a figure is not defined. */
  figures: Record<string, number | null>;
}

/**
 * The file of an evaluation: `<run>/evaluations/<data>-<step>.json`, or where `eval --output` says. The
 * tallies are kept, so that other figures, other k and pooled intervals can be computed from it.
 */
export interface EvaluationFile {
  /** The file of questions. */
  data: string;
  model: string;
  /** Steps of the run that the model has behind it; null for a model that belongs to no run. */
  step: number | null;
  /** Completions of each question. */
  samples: number;
  seed: number;
  sampling: Sampling;
  /** Whether maj@k is exact over all subsets, or the mean over subsets drawn with the seed. */
  majority: "exact" | "drawn";
  versions: Record<string, string>;
  adapter: Record<string, unknown>;
  /** As in a run's `config.json`; files of older versions have none. */
  tuning?: TuningTable;
  /** By hash, what was asked and the code that judged it; only `eval` and `compare` say so. */
  origins?: EvaluationOrigins;
  /** By name, with 95 % bootstrap intervals over questions. */
  figures: Record<string, Estimate>;
  questions: QuestionTally[];
}

export type EvaluationOrigins = Pick<Origins, "data" | "rows" | "own">;

/** Streams of random numbers, one for each use of a seed. */
const MAJORITY = 1;
const BOOTSTRAP = 2;

const floats = (...key: number[]) => {
  const random = new Random(...key);
  return () => random.float();
};

/** 1, 2, 4, ... up to `samples`. */
export function powersOfTwo(samples: number): number[] {
  const ks: number[] = [];
  for (let k = 1; k <= samples; k *= 2) ks.push(k);
  return ks;
}

/** The figures of these tallies; maj@k is drawn with a fixed seed where it is drawn. */
export const figuresAt = (tallies: readonly QuestionTally[], ks: readonly number[]): Figures =>
  figuresOf(tallies, ks, floats(MAJORITY));

/** The figures alone, for k = 1, 2, 4, ... */
export function summarize(tallies: readonly QuestionTally[], settings?: Sampling): Evaluation {
  const samples = tallies[0].samples;
  const figures = Object.entries(figuresAt(tallies, powersOfTwo(samples)));
  const values = figures.map(([name, ratio]) => {
    const value = quotient(ratio);
    return [name, Number.isFinite(value) ? value : null];
  });
  const sampling = settings && samplingOf(settings);
  return { questions: tallies.length, samples, sampling, figures: Object.fromEntries(values) };
}

/** The draws of questions and seeds from which every interval of these sizes is computed: always the same. */
export const resamplesFor = (questions: number, seeds = 1) =>
  drawResamples({ questions, seeds }, floats(BOOTSTRAP));

/** Each figure with its interval. */
export function estimates(
  tallies: readonly QuestionTally[],
  ks: readonly number[],
): Record<string, Estimate> {
  const resamples = resamplesFor(tallies.length);
  return mapFigures(figuresAt(tallies, ks), (ratio) => estimate([ratio], resamples));
}

/** What each figure gains from model `a` to model `b` on the same questions, paired. */
export function differences(
  a: readonly QuestionTally[],
  b: readonly QuestionTally[],
  ks: readonly number[],
): Record<string, Estimate> {
  const resamples = resamplesFor(a.length);
  const of = figuresAt(a, ks);
  return mapFigures(figuresAt(b, ks), (ratio, name) =>
    estimateDifference([of[name]], [ratio], resamples),
  );
}

function mapFigures(
  figures: Figures,
  make: (ratio: Figures[string], name: string) => Estimate,
): Record<string, Estimate> {
  const entries = Object.entries(figures);
  return Object.fromEntries(entries.map(([name, ratio]) => [name, make(ratio, name)]));
}

/** Everything that is kept of an evaluation. */
export function evaluationFile(
  what: Pick<EvaluationFile, "data" | "model" | "step" | "origins"> & { ks: readonly number[] },
  tallies: QuestionTally[],
  settings: RolloutSettings,
  policy: AskedPolicy,
): EvaluationFile {
  const { data, model, step, ks, origins } = what;
  const { seed } = settings;
  const { versions, adapter, tuning } = runConfig({}, policy);
  const samples = tallies[0].samples;
  return {
    data,
    model,
    step,
    samples,
    seed,
    sampling: samplingOf(settings),
    majority: samples <= EXACT_MAJORITY ? "exact" : "drawn",
    versions,
    adapter,
    tuning,
    origins,
    figures: estimates(tallies, ks),
    questions: tallies,
  };
}

/** Where a run keeps the evaluation of its model after `step` steps. */
export const evaluationPath = (run: string, data: string, step: number): string =>
  join(run, "evaluations", `${basename(data, extname(data))}-${step}.json`);

/** A checkpoint, as part of its run. */
export interface Checkpoint {
  run: string;
  step: number;
}

/** Which checkpoint of which run a path is; null for any other model. */
export function checkpointOf(path: string): Checkpoint | null {
  const step = /^checkpoint-(\d+)$/.exec(basename(path))?.[1];
  const run = dirname(path);
  return step && existsSync(join(run, "config.json")) ? { run, step: Number(step) } : null;
}

export function writeEvaluation(path: string, file: EvaluationFile): void {
  // a question a line
  const { questions, ...head } = file;
  const lines = questions.map((tally) => `    ${JSON.stringify(tally)}`).join(",\n");
  const text = JSON.stringify({ ...head, questions: [] }, null, 2);
  replaceFile(path, `${text.replace(/\[\]\n\}$/, () => `[\n${lines}\n  ]\n}`)}\n`);
}

export function readEvaluation(path: string): EvaluationFile {
  try {
    const file = JSON.parse(readFileSync(path, "utf8"));
    if (Array.isArray(file?.questions) && typeof file.figures === "object") return file;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw diskError(error, path);
  }
  throw new UserError(`${path} is no evaluation; delete it and evaluate again`);
}

/** The row of a model in the short table that `train` ends with. */
export function passRow(name: string, { figures, samples }: Evaluation): PassRow {
  const ks = powersOfTwo(samples);
  return {
    name,
    passAtK: ks.map((k) => [k, figures[`pass@${k}`] ?? Number.NaN]),
    distinct: figures[`diff@${ks.at(-1)}`] ?? Number.NaN,
  };
}

/** How a table says what was drawn: `128 questions, 32 samples each, temperature 1`. */
export function drawnText(questions: number, samples: number, sampling?: Sampling): string {
  const temperature = sampling ? `, temperature ${sampling.temperature}` : "";
  return `${questions} questions, ${samples} samples each${temperature}`;
}

/** `0.484 (0.412, 0.551)`; a dash where it is not defined. */
export function estimateText({ value, low, high }: Estimate, sign = ""): string {
  const form = (x: number | null) => (x === null ? "-" : `${x < 0 ? "" : sign}${x.toFixed(3)}`);
  return value === null ? "-" : `${form(value)} (${form(low)}, ${form(high)})`;
}

/** A row a figure, a column a model; `change` is a last column. */
export function figureTable(
  title: string,
  models: readonly { name: string; figures: Record<string, Estimate> }[],
  change?: Record<string, Estimate>,
): string {
  const rows = Object.keys(models[0].figures).map((name) => [
    name,
    ...models.map(({ figures }) => estimateText(figures[name])),
    ...(change ? [estimateText(change[name], "+")] : []),
  ]);
  return table(title, [
    ["", ...models.map(({ name }) => name), ...(change ? ["change"] : [])],
    ...rows,
  ]);
}

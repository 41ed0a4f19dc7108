import { existsSync, statSync } from "node:fs";
import type { Judge, Row } from "../../lib/data/judge.ts";
import { prepareQuestions, type Question } from "../../lib/data/questions.ts";
import { UserError } from "../../lib/errors.ts";
import { drawQuestions } from "../../lib/random.ts";
import { openJudge, outcomeFor } from "../answers/outcome.ts";
import { scoredTaskOf, taskOf } from "../answers/reasoning-gym.ts";
import type { PackedRows } from "../datasets/packed.ts";
import {
  type DataSource,
  isBad,
  nameOf,
  type ReadOptions,
  readRows,
  readsWholeRow,
  scanRows,
  usableRows,
} from "../datasets/rows.ts";
import { holdOut } from "../datasets/split.ts";
import { hubDataset } from "../hub/datasets.ts";
import { isHubName } from "../hub/hub.ts";
import type { Prompter } from "../models/chat.ts";
import type { ModelFolder } from "../models/folder.ts";
import { payingJudge, type RewardPlan } from "../own/rewards.ts";
import type { TrainSettings } from "../settings/training.ts";
import { earnableRows, requireEarnable } from "./earnable.ts";
import { fitContext, longestPrompt, requireMicroBatch } from "./lengths.ts";
import { prompterOf, showDownload } from "./named-model.ts";

/**
 * What a command's data argument names: a file, - for standard input, or, where there is no such file, a data
 * set of the Hugging Face hub.
 */
export async function openData(
  name: string,
  { split, subset }: { split: string | null; subset: string | null },
): Promise<DataSource> {
  const isFile =
    existsSync(name) || !isHubName(name) || /\.(?:\w*json\w*|[ct]sv|parquet|gz|txt)$/i.test(name);
  if (!isFile) return hubDataset(name, { split: split ?? "train", subset }, showDownload);
  if (split !== null || subset !== null) {
    throw new UserError(
      `--split, --eval-split and --subset are for data sets of the hub, and ${name} is none: leave them out`,
    );
  }
  return { name, files: [name] };
}

/** Rows that show what answers a file holds. */
const LOOKED_AT = 20;

/** The outcome that is asked for, or the one that the first rows of the data are made for. */
export async function outcomeOf(
  given: ReadOptions & { outcome: string },
  source: DataSource,
  note: (text: string) => void,
): Promise<string> {
  const asked = given.outcome;
  if (asked !== "auto" && asked !== "number") return asked;
  // what comes through a pipe can be read but once
  const isFile = (file: string) => statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
  if (!source.files.every(isFile)) return asked === "auto" ? outcomeFor([]) : asked;
  const rows: Row[] = [];
  for await (const some of scanRows(source, { ...given, wholeRows: true })) {
    for (const row of some) if (!isBad(row) && rows.length < LOOKED_AT) rows.push(row);
    if (rows.length === LOOKED_AT) break;
  }
  const outcome = outcomeFor(rows);
  if (asked !== "auto") {
    if (outcome !== "math")
      note(`the rows are made for --outcome ${outcome}, and are judged by --outcome ${asked}`);
    return asked;
  }
  const tasks = [...new Set(rows.flatMap((row) => taskOf(row)?.task ?? []))].join(", ");
  if (tasks) note(`rows of reasoning-gym's ${tasks}: --outcome ${outcome}`);
  else if (outcome !== "math") note(`the rows are made for --outcome ${outcome}`);
  const scored = [...new Set(rows.flatMap((row) => scoredTaskOf(row) ?? []))].join(", ");
  if (scored && outcome !== "countdown") {
    note(
      `warning: reasoning-gym's ${scored} has more right answers than the one in a row, and --outcome ${outcome} pays that one alone; score it by code of your own, --outcome ./my-outcome.ts`,
    );
  }
  return outcome;
}

/** What says which rows a command is of. */
export type RowSettings = Omit<ReadOptions, "wholeRows"> & {
  data: string;
  split: string | null;
  subset: string | null;
  outcome: string;
  systemPrompt: string | null;
  promptTemplate: string;
};

/** The usable rows that the data argument names, and the outcome that they are for. Lines left out are noted. */
export async function readData(
  given: RowSettings,
  note: (text: string) => void,
): Promise<{ source: DataSource; outcome: string; rows: PackedRows }> {
  const source = await openData(given.data, given);
  const outcome = await outcomeOf(given, source, note);
  return { source, outcome, rows: await readFor(outcome, source, given, note) };
}

async function readFor(
  outcome: string,
  source: DataSource,
  given: Omit<RowSettings, "data" | "split" | "subset">,
  note: (text: string) => void,
): Promise<PackedRows> {
  const wholeRows = readsWholeRow(outcome);
  const rows = usableRows(await readRows(source, { ...given, wholeRows }), note);
  const asking = { ...given, outcome };
  return given.skipBad ? earnableRows(rows, asking, nameOf(source), note) : rows;
}

/** The rows of a run: those trained on and those held out. */
export interface RunData {
  rows: PackedRows;
  /** What they are made for, or what is asked for. */
  outcome: string;
  /** Places of the rows trained on, where they are not all. */
  training: Uint32Array | null;
  heldOut: { name: string; rows: Iterable<Parameters<PackedRows["push"]>[0]> };
}

/** Reads what a run trains on and what it holds out. Lines that were left out are noted. */
export async function readRunData(
  given: TrainSettings,
  note: (text: string) => void,
): Promise<RunData> {
  const { source, outcome, rows } = await readData(given, note);
  if (given.evalFraction > 0) {
    const { training, heldOut } = holdOut(
      rows.questionHashes,
      given.evalFraction,
      shuffleSeedOf(given),
    );
    const held = Array.from(heldOut, (place) => rows.at(place));
    return { rows, outcome, training, heldOut: { name: nameOf(source), rows: held } };
  }
  const evalName = given.evalFile ?? (given.evalSplit === null ? null : given.data);
  if (evalName === null) return { rows, outcome, training: null, heldOut: { name: "", rows: [] } };
  const isHub = !existsSync(evalName) && isHubName(evalName);
  const evalSource = await openData(evalName, {
    split: given.evalSplit ?? (isHub ? "test" : null),
    subset: evalName === given.data ? given.subset : null,
  });
  const heldOut = await readFor(outcome, evalSource, { ...given, limit: null }, note);
  return { rows, outcome, training: null, heldOut: { name: nameOf(evalSource), rows: heldOut } };
}

export const shuffleSeedOf = (s: { seed: number; shuffleSeed?: number | null }) =>
  s.shuffleSeed ?? s.seed;

/** Makes prompts for the model of the rows, and settles the length of completions by them. */
export async function readQuestions<S extends TrainSettings>(
  given: S,
  data: RunData,
  model: ModelFolder,
  plan: RewardPlan,
  note: (text: string) => void,
) {
  const prompter = prompterOf(model, given, note);
  const thinking = prompter.thinking(given.thinkTags);
  const { outcomeTimeout, maxSteps } = given;
  const told = await openJudge(data.outcome, outcomeTimeout, thinking, maxSteps);
  const judge = await payingJudge(told, plan, outcomeTimeout, maxSteps);
  const drawn = drawnPlaces(data.training?.length ?? data.rows.length, given);
  const asked = drawn.map((place) => data.rows.at(data.training?.[place] ?? place));
  const asking = { ...given, outcome: data.outcome };
  await requireEarnable(asked, asking, given.data);
  await requireEarnable(data.heldOut.rows, asking, data.heldOut.name);
  const questions = new TrainingQuestions(data, prompter, judge, given);
  const heldOut = prepareQuestions(prompter, data.heldOut.rows, data.heldOut.name, told);
  const context = model.config.maxPositionEmbeddings;
  const own = given.evalMaxCompletionLength;
  const settings = fitContext(
    { ...given, outcome: data.outcome },
    own === null ? [...questions.drawn, ...heldOut] : questions.drawn,
    context,
  );
  if (own !== null) {
    const evaluating = { maxCompletionLength: own };
    fitContext(evaluating, heldOut, context, "--eval-max-completion-length");
  }
  requireMicroBatch(longestPrompt(questions.drawn), settings);
  return { judge, questions, heldOut, settings };
}

/** The questions that a run trains on: `count` in all, of which those that it will draw are ready. */
export class TrainingQuestions {
  readonly count: number;
  /** Questions with different texts: outcomes are counted, and questions solved, by text. */
  readonly different: number;
  private readonly ready = new Map<number, Question>();

  constructor(
    { rows, training }: RunData,
    prompter: Pick<Prompter, "encodePrompt">,
    judge: Judge,
    settings: TrainSettings,
  ) {
    this.count = training?.length ?? rows.length;
    const hashes = rows.textHashes;
    this.different = new Set(training ? Array.from(training, (i) => hashes[i]) : hashes).size;
    const places = drawnPlaces(this.count, settings);
    const drawn = places.map((place) => rows.at(training?.[place] ?? place));
    const questions = prepareQuestions(prompter, drawn, settings.data, judge);
    for (const [i, question] of questions.entries()) this.ready.set(places[i], question);
  }

  /** A question of `drawQuestions`. */
  at(place: number): Question {
    const question = this.ready.get(place);
    if (!question) throw new Error(`question ${place} was not expected to be drawn`);
    return question;
  }

  /** All that will be drawn. */
  get drawn(): Question[] {
    return [...this.ready.values()];
  }
}

/** Steps that fill up with fresh questions draw fewer than this many times as many as they need. */
const MOST_REFILLS = 11;

/** The places of all questions that the run will draw, ascending: of a million questions, the few it has time for. */
function drawnPlaces(count: number, settings: TrainSettings): number[] {
  const { maxSteps, promptsPerStep, filterZeroVariance } = settings;
  const draws = maxSteps * promptsPerStep * (filterZeroVariance ? MOST_REFILLS : 1);
  if (draws >= count) return Array.from({ length: count }, (_, place) => place);
  const places = new Set(drawQuestions(shuffleSeedOf(settings), 0, draws, count));
  return [...places].sort((a, b) => a - b);
}

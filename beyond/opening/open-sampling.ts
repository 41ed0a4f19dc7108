import { prepareQuestions, type Question } from "../../lib/data/questions.ts";
import { openJudge } from "../answers/outcome.ts";
import type { PackedRows } from "../datasets/packed.ts";
import { holdOut } from "../datasets/split.ts";
import type { LoraModel } from "../lora/peft.ts";
import type { PromptSettings } from "../models/chat.ts";
import { cacheTokensOf, speculates } from "../settings/shared.ts";
import { requireEarnable } from "./earnable.ts";
import { fitContext, longestPrompt } from "./lengths.ts";
import { openNamedModel, prompterOf } from "./named-model.ts";
import { type AnywhereSettings, type Opened, openAnywhere } from "./open-anywhere.ts";
import type { Told } from "./open-policy.ts";
import { type RowSettings, readData, shuffleSeedOf } from "./questions.ts";
import type { AskedPolicy } from "./run-policy.ts";

/** What the commands need that ask a model, and teach it nothing. */
interface AskingSettings extends AnywhereSettings {
  maxCompletionLength: number | null;
  samplingBatchSize: number;
  kvCacheTokens: number | null;
  speculativeRollouts: "on" | "off";
}

/** ... and that ask it the questions of a file. */
interface SamplingSettings extends AskingSettings, RowSettings, PromptSettings {
  /** Leaves out what a run of `train` would hold out by it. */
  evalFraction?: number;
  seed: number;
  shuffleSeed?: number | null;
  model: string;
  outcome: string;
  outcomeTimeout: number;
  thinkTags: string | null;
}

/** A model ready to be asked, the questions, and the settings with the length of completions settled. */
export interface OpenSampling<S> {
  policy: AskedPolicy;
  questions: Question[];
  settings: S & { maxCompletionLength: number };
}

/** ... with what they were read from. */
interface OpenQuestions<S> extends OpenSampling<S> {
  model: LoraModel;
  rows: PackedRows;
}

/**
 * Reads the questions of a file and opens model and GPU.
 * @param samples completions of a question
 */
export async function openSampling<S extends SamplingSettings>(
  asked: S,
  samples: number,
  note: (text: string) => void,
  known: Opened = {},
): Promise<OpenQuestions<S>> {
  const { outcome, rows: all } = await readData(asked, note);
  const given = { ...asked, outcome };
  const rows = given.evalFraction
    ? Array.from(
        holdOut(all.questionHashes, given.evalFraction, shuffleSeedOf(given)).training,
        (i) => all.at(i),
      )
    : all;
  if (!given.skipBad) await requireEarnable(rows, given, given.data);
  const model = await openNamedModel(given.model);
  const prompter = prompterOf(model, given, note);
  const thinking = prompter.thinking(given.thinkTags);
  const judge = await openJudge(given.outcome, given.outcomeTimeout, thinking);
  const questions = prepareQuestions(prompter, rows, given.data, judge);
  const told = { note, describe: note };
  return { ...(await openAsking(given, model, questions, samples, told, known)), model, rows: all };
}

/** Opens a model to be asked these questions, each `samples` times. */
export async function openAsking<S extends AskingSettings>(
  given: S,
  model: LoraModel,
  questions: Question[],
  samples: number,
  told: Told,
  known: Opened = {},
): Promise<OpenSampling<S>> {
  const settings = fitContext(given, questions, model.config.maxPositionEmbeddings);
  const sampling = {
    rows: Math.min(settings.samplingBatchSize, questions.length * samples),
    samplesPerPrompt: samples,
    speculative: speculates(settings),
    cacheTokens: cacheTokensOf(settings),
    maxPromptTokens: longestPrompt(questions),
    maxNewTokens: settings.maxCompletionLength,
  };
  const policy = await openAnywhere(settings, model, { sampling }, told, known);
  return { policy, questions, settings };
}

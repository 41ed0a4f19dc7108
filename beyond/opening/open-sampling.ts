import { fitContext, longestPrompt, prepareQuestions, type Question } from "../../lib/rollout.ts";
import { openOutcome } from "../answers/outcome.ts";
import { type ReadOptions, readRows, readsWholeRow, usableRows } from "../datasets/rows.ts";
import { holdOut } from "../datasets/split.ts";
import { formatPlan } from "../memory/memory-plan.ts";
import type { PromptSettings } from "../models/chat.ts";
import { type BaseDtype, baseFormats } from "../storage/base-formats.ts";
import type { Dtype } from "../storage/precision.ts";
import { type RunTuning, tuneFor } from "../tuning/tuning.ts";
import { openNamedModel, prompterOf } from "./named-model.ts";
import { openGpu, Policy } from "./policy.ts";
import { openData, outcomeOf, shuffleSeedOf } from "./questions.ts";

/** What the commands need that ask a model the questions of a file, and teach it nothing. */
interface SamplingNeeds extends ReadOptions, PromptSettings {
  data: string;
  split: string | null;
  subset: string | null;
  /** Leaves out what a run of `train` would hold out by it. */
  evalFraction?: number;
  seed: number;
  shuffleSeed?: number | null;
  model: string;
  outcome: string;
  outcomeTimeout: number;
  gpu: string | null;
  noTune: boolean;
  dtype: Dtype;
  maxCompletionLength: number | null;
  samplingBatchSize: number;
  baseDtype: BaseDtype;
}

/** A model ready to be asked, the questions, and the settings with the length of completions settled. */
export interface OpenSampling<S> {
  policy: Policy;
  questions: Question[];
  settings: S & { maxCompletionLength: number };
}

/**
 * Reads the questions and opens model and GPU.
 * @param samples completions of a question
 * @param begun the configuration of the run that goes on
 */
export async function openSampling<S extends SamplingNeeds>(
  asked: S,
  samples: number,
  note: (text: string) => void,
  begun?: RunTuning,
): Promise<OpenSampling<S>> {
  const source = await openData(asked.data, asked);
  const given = { ...asked, outcome: await outcomeOf(asked, source, note) };
  const wholeRows = readsWholeRow(given.outcome);
  const data = await readRows(source, { ...given, wholeRows });
  const all = usableRows(data, note);
  const rows = given.evalFraction
    ? Array.from(
        holdOut(all.questionHashes, given.evalFraction, shuffleSeedOf(given)).training,
        (i) => all.at(i),
      )
    : all;
  const model = await openNamedModel(given.model);
  const gpu = await openGpu(given.gpu);
  note(gpu.found.why);
  const prompter = prompterOf(model, given, note);
  const outcome = await openOutcome(given.outcome, given.outcomeTimeout);
  const questions = prepareQuestions(prompter, rows, given.data, outcome);
  const settings = fitContext(given, questions, model.config.maxPositionEmbeddings);
  const sampling = {
    rows: settings.samplingBatchSize,
    samplesPerPrompt: samples,
    maxPromptTokens: longestPrompt(questions),
    maxNewTokens: settings.maxCompletionLength,
  };
  const formats = baseFormats(settings, model.tensors);
  const needs = { dtype: settings.dtype, sampling, formats };
  const tune = tuneFor(gpu, { ...given, begun }, note);
  const policy = await Policy.open(gpu, model, needs, (plan) => note(formatPlan(plan)), tune);
  return { policy, questions, settings };
}

import { existsSync } from "node:fs";
import { basename, extname, join } from "node:path";
import type { Question } from "../../lib/data/questions.ts";
import { UserError } from "../../lib/errors.ts";
import type { SamplingPolicy } from "../../lib/policy.ts";
import { PURPOSE, type RolloutSettings, rollout } from "../../lib/rollout.ts";
import type { Bridging } from "../cluster/bridge.ts";
import {
  type Checkpoint,
  checkpointOf,
  differences,
  drawnText,
  type EvaluationFile,
  evaluationFile,
  evaluationPath,
  figureTable,
  writeEvaluation,
} from "../measuring/evaluation.ts";
import { type QuestionTally, tallyQuestion } from "../measuring/tally.ts";
import { explainNotFinite } from "../opening/not-finite.ts";
import { openSampling } from "../opening/open-sampling.ts";
import { modelPath, RunFolder } from "../runs/folder.ts";
import { ownHashes } from "../runs/origins.ts";
import type { EvalSettings } from "../settings/measuring.ts";
import { EMBEDDED } from "../settings/shared.ts";
import type { TrainSettings } from "../settings/training.ts";
import { Progress } from "../terminal/progress.ts";

/** Questions whose completions are sampled and judged together: bounds the memory of a large file. */
const QUESTIONS_AT_ONCE = 64;

/**
 * Samples each question `samples` times and counts what comes. The randomness depends on the seed and the
 * question's place alone.
 */
export async function measure(
  policy: SamplingPolicy,
  questions: readonly Question[],
  samples: number,
  settings: RolloutSettings,
  onProgress: (questionsDone: number) => void = () => {},
): Promise<QuestionTally[]> {
  const tallies: QuestionTally[] = [];
  for (let first = 0; first < questions.length; first += QUESTIONS_AT_ONCE) {
    onProgress(first);
    const some = questions.slice(first, first + QUESTIONS_AT_ONCE);
    const groups = await rollout(policy, some, samples, settings, PURPOSE.evaluate, 0, first);
    for (const { question, completions } of groups) {
      tallies.push(tallyQuestion(question.text, question.gold, completions));
    }
  }
  return tallies;
}

/** Writes the file of an evaluation. */
type Keep = (path: string, file: EvaluationFile) => void;

/** `rlexplore eval`: the figures of a model on a file of questions, or of two models and what lies between. */
export async function evaluate(settings: EvalSettings): Promise<void> {
  const { quiet, json } = settings;
  const progress = new Progress({ total: 0, quiet, json });
  const names = [settings.model, ...(settings.compare ? [settings.compare] : [])];
  // what was sampled is shown even if it cannot be written
  const unkept: string[] = [];
  const keep: Keep = (path, file) => {
    try {
      writeEvaluation(path, file);
      progress.note(`${path} holds the counts of each question`);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      unkept.push(error.message);
    }
  };
  for (const text of settings.told) progress.note(text);
  const files: EvaluationFile[] = [];
  for (const name of names) {
    const model = nameOf(name, settings.model);
    files.push(await evaluateModel({ ...settings, model }, progress, { keep }));
  }
  progress.end();
  if (unkept.length > 0) process.exitCode = 2;
  for (const why of unkept)
    console.error(`rlexplore: the counts are not kept, --output names another file: ${why}`);
  const [file, other] = files;
  const change = other && differences(other.questions, file.questions, settings.k);
  const drawn = file.majority === "drawn" ? "; maj@k from seeded draws" : "";
  const title = `${settings.data}: ${drawnText(file.questions.length, file.samples, file.sampling)}, 95 % intervals${drawn}`;
  // the second model is what the first is compared with: what changed is the way from it
  const order = other ? [1, 0] : [0];
  const models = order.map((i) => ({ name: names[i], figures: files[i].figures }));
  const { figures } = file;
  const result = other ? { figures, compared: other.figures, change } : { figures };
  progress.result(
    "evaluation",
    { ...result, questions: file.questions.length, samples: file.samples },
    figureTable(title, models, change),
  );
}

/** `base` is the model that the run of `model` started from; the embedded one where that is no run. */
function nameOf(name: string, model: string): string {
  if (name !== "base" || existsSync(name)) return name;
  const run = existsSync(model) && checkpointOf(modelPath(model))?.run;
  return run ? RunFolder.open(run).readConfig<TrainSettings>().settings.model : EMBEDDED;
}

/**
 * Evaluates one model and writes the file of it.
 * @param at the step of a run that the model is, where its path does not tell
 * @param keep writes the file
 * @param lane the part of a cluster that it has to itself, if any
 */
export async function evaluateModel(
  given: Omit<EvalSettings, "compare">,
  progress: Progress,
  {
    at = null as number | null,
    keep = writeEvaluation as Keep,
    lane = undefined as Bridging | undefined,
  } = {},
): Promise<EvaluationFile> {
  const note = (text: string) => progress.note(text);
  const { policy, questions, settings, rows } = await openSampling(given, given.numSamples, note, {
    lane,
  });
  try {
    const { model, data, k, numSamples } = settings;
    const tallies = await measure(policy, questions, numSamples, settings, (done) =>
      progress.activity(`${model}: ${done} of ${questions.length} questions`),
    );
    const checkpoint = existsSync(model) ? checkpointOf(modelPath(model)) : null;
    const step = checkpoint?.step ?? at;
    const origins = { data: rows.hash(), rows: rows.length, own: ownHashes(settings) };
    const file = evaluationFile({ data, model, step, ks: k, origins }, tallies, settings, policy);
    const path = given.output ?? defaultPath(model, data, checkpoint);
    keep(path, file);
    return file;
  } catch (error) {
    throw explainNotFinite(error, settings);
  } finally {
    await policy.close();
  }
}

/** A run's evaluations keep what `train` measured; what is measured later stands beside that. */
function defaultPath(model: string, data: string, checkpoint: Checkpoint | null): string {
  if (!checkpoint) {
    const name = model.replace(/[^\w.-]+/g, "-");
    return join("evaluations", `${basename(data, extname(data))}-${name}.json`);
  }
  const stem = evaluationPath(checkpoint.run, data, checkpoint.step).replace(/\.json$/, ".eval");
  for (let n = 1; ; n++) {
    const path = n === 1 ? `${stem}.json` : `${stem}-${n}.json`;
    if (!existsSync(path)) return path;
  }
}

import { measure } from "../commands/evaluate.ts";
import type { OpenRun } from "../opening/open-run.ts";
import { forEvaluation } from "../settings/evaluating.ts";
import {
  type Evaluation,
  evaluationFile,
  evaluationPath,
  passRow,
  powersOfTwo,
  summarize,
  writeEvaluation,
} from "./evaluation.ts";

/**
 * Evaluates a run's model on its held-out questions, after `step` steps: the figures go into
 * `metrics.jsonl`, the counts of each question into a file of their own.
 * @param name what the model is called in the display
 */
export async function evaluateHeldOut(
  { heldOut, settings: ofRun, policy, progress, folder }: OpenRun,
  step: number,
  name: string,
): Promise<Evaluation> {
  const settings = forEvaluation(ofRun);
  const { evalSamples: samples, evalFile } = settings;
  const data = evalFile ?? "";
  const tallies = await measure(policy, heldOut, samples, settings, (done) =>
    progress.activity(`evaluating ${name}: ${done} of ${heldOut.length} questions`),
  );
  const result = summarize(tallies, settings);
  const { passAtK, distinct } = passRow(name, result);
  const values = passAtK.map(([k, value]) => `pass@${k} ${value.toFixed(3)}`);
  progress.note(`${name}: ${values.join("  ")}  distinct ${distinct.toFixed(2)}`);
  const what = { data, model: folder.path, step, ks: powersOfTwo(samples) };
  const file = evaluationFile(what, tallies, settings, policy);
  writeEvaluation(evaluationPath(folder.path, data, step), file);
  folder.appendEvaluation(step, result);
  return result;
}

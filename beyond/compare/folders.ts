/** What the folder of an experiment holds already. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { evaluationPath, readEvaluation } from "../measuring/evaluation.ts";
import { checkpointSteps } from "../runs/checkpoint.ts";
import { RunFolder } from "../runs/folder.ts";
import { LedgerReader } from "../runs/ledger.ts";
import { FOR_EVALUATION, type Sampling } from "../settings/evaluating.ts";
import type { PlannedRun } from "./experiment.ts";

export const folderOf = ({ settings }: PlannedRun): string => settings.outputDir as string;

export const isBegun = (run: PlannedRun) => existsSync(join(folderOf(run), "config.json"));

export function isDone(run: PlannedRun): boolean {
  if (!isBegun(run)) return false;
  const { maxSteps } = run.settings;
  const folder = folderOf(run);
  if (!run.base) return checkpointSteps(folder).includes(maxSteps);
  const { ledgerPath } = RunFolder.open(folder);
  if (!existsSync(ledgerPath)) return false;
  const ledger = new LedgerReader(ledgerPath);
  const last = ledger.lastStep();
  ledger.close();
  return last >= maxSteps;
}

export const evaluationOf = (run: PlannedRun, step: number) =>
  evaluationPath(folderOf(run), run.evaluation.data, step);

/** Whether the checkpoint has an evaluation like the one asked for; any other is replaced. */
export function isEvaluated(run: PlannedRun, step: number): boolean {
  const path = evaluationOf(run, step);
  if (!existsSync(path)) return false;
  const { numSamples, seed, k, ...asked } = run.evaluation;
  const found = readEvaluation(path);
  // what depends on the model was settled by it
  const isOther = (key: keyof Sampling) =>
    asked[key] !== null && asked[key] !== (found.sampling?.[key] ?? asked[key]);
  return (
    found.samples === numSamples &&
    found.seed === seed &&
    !Object.keys(FOR_EVALUATION).some((key) => isOther(key as keyof Sampling)) &&
    k.every((k) => `pass@${k}` in found.figures)
  );
}

/** Pretraining of a small model, as both built-in bases are made. */
import { sft } from "../beyond/commands/sft.ts";
import { sftSettings } from "../beyond/settings/arguments.ts";

export const ROWS_PER_STEP = 96;
export const SEED = 1;

/** Trains what the folder `model` describes on the texts of a file; gives the path of what came of it. */
export function fromScratch(
  model: string,
  texts: string,
  where: { run: string; steps: number; saveSteps: number },
): Promise<string> {
  const flags = {
    model,
    "output-dir": where.run,
    "max-steps": where.steps,
    "rows-per-step": ROWS_PER_STEP,
    "micro-batch-tokens": 6144,
    "learning-rate": 3e-3,
    "lr-scheduler-type": "cosine",
    "warmup-steps": 50,
    "weight-decay": 0.01,
    "adam-beta2": 0.95,
    "save-steps": where.saveSteps,
    seed: SEED,
  };
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return sft(sftSettings([texts, "--from-scratch", ...args]));
}

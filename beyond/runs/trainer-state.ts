import { z } from "zod";
import { UserError } from "../../lib/errors.ts";
import type { Ledger } from "./ledger.ts";

const Evaluation = z.object({
  questions: z.int().min(1),
  samples: z.int().min(1),
  sampling: z
    .object({
      temperature: z.number(),
      topP: z.number(),
      topK: z.number(),
      minP: z.number(),
      maxCompletionLength: z.int(),
    })
    .optional(),
  figures: z.record(z.string(), z.number().nullable()),
});

/** What a resumed run needs beside weights, moments and ledger. */
export const TrainerState = z.object({
  /** Questions drawn so far. */
  drawn: z.int().min(0),
  /** Updates of the weights so far. */
  updates: z.int().min(0),
  /** The evaluation of the model that the run started from. */
  before: Evaluation.nullable(),
  /** The best pass@1 on the held-out questions, and its step. */
  best: z.object({ step: z.int().min(0), passAt1: z.number() }).nullable(),
  /** A checksum of the rollouts of each step; version 0.1.0 kept none. */
  ledger: z.array(z.int()).optional(),
  /** Which questions, drawn how often, both evaluations are of; null if the version kept it not. */
  heldOut: z.string().nullable().default(null),
});
export type TrainerState = z.infer<typeof TrainerState>;

/** @throws UserError if the ledger's rollouts of the steps done are not those that the checkpoint was saved with */
export function requireSameLedger(
  ledger: Pick<Ledger, "path" | "checks" | "lastStep">,
  step: number,
  { ledger: saved }: Pick<TrainerState, "ledger">,
): void {
  const lost = (what: string) =>
    new UserError(
      `${ledger.path} ${what}, and with them the counts; restore it from a copy or start another run`,
    );
  if (step > ledger.lastStep()) throw lost(`has lost the rollouts of step ${step}`);
  const found = saved && ledger.checks(step);
  const other = found?.findIndex((check, i) => check !== saved?.[i]) ?? -1;
  if (other >= 0) throw lost(`has other rollouts of step ${other + 1} than the run wrote`);
}

/** What is looked at when a run goes on, of whatever command it is. */
import { UserError } from "../../lib/errors.ts";
import { scheduledRate } from "../../lib/train.ts";
import type { LoraModel } from "../lora/peft.ts";
import type { RunAdapter } from "./run-policy.ts";

type Scheduled = Parameters<typeof scheduledRate>[0];

/** Notes that the learning rate goes on from another value than the settings of before would give it. */
export function noteJump(
  before: Scheduled,
  now: Scheduled,
  updates: number,
  note: (text: string) => void,
): void {
  const [from, to] = [before, now].map((settings) => scheduledRate(settings, updates));
  if (from === to) return;
  const rates = [from, to].map((rate) => Number(rate.toPrecision(3)));
  note(
    `the learning rate jumps from ${rates[0]} to ${rates[1]} here: its schedule is another than before`,
  );
}

/** Notes that gradients are summed in another order than before. */
export function noteOrder(
  before: { microBatchTokens: number },
  now: { microBatchTokens: number },
  note: (text: string) => void,
): void {
  if (before.microBatchTokens === now.microBatchTokens) return;
  note(
    `--micro-batch-tokens was ${before.microBatchTokens}: gradients are summed in another order from here on, and differ by rounding`,
  );
}

/** Notes that what is trained is the adapter that the model is. */
export function noteAdapter(name: string, { lora }: LoraModel, note: (text: string) => void): void {
  if (!lora) return;
  const { rank, alpha, targets } = lora.config;
  note(`${name} is an adapter and trained on: rank ${rank}, alpha ${alpha}, ${targets.join(", ")}`);
}

/** Notes that the run was begun on another GPU. */
export function noteOtherGpu(
  begun: { adapter: Record<string, unknown> } | undefined,
  { adapter }: { adapter: RunAdapter },
  note: (text: string) => void,
): void {
  const { name } = adapter;
  if (begun && name !== begun.adapter.name) {
    note(`this run was begun on ${begun.adapter.name}: on ${name} sums differ by rounding`);
  }
}

/** @throws UserError for a run that has done more steps than it shall have */
export function requireAhead(run: string, step: number, maxSteps: number): void {
  if (step <= maxSteps) return;
  throw new UserError(`${run} has done ${step} steps already: raise --max-steps ${maxSteps}`);
}

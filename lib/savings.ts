/** Settings that save memory, and the fewest of them with which a run fits. */

import { UserError } from "./errors.ts";
import type { Gpu } from "./gpu/device.ts";
import type { MemoryPlanner } from "./gpu/memory.ts";
import {
  type AdapterLimits,
  fits,
  type PolicyNeeds,
  planMemory,
  type Room,
  roomOf,
  shortage,
} from "./memory-plan.ts";
import type { ModelConfig } from "./model/config.ts";
import type { LoraConfig } from "./model/lora.ts";

/** A setting as it is given on the command line. */
export interface Saving {
  /** Without the dashes. */
  flag: string;
  /** Empty for a switch. */
  value: string;
  /** The same run with this setting. */
  apply: (needs: PolicyNeeds) => PolicyNeeds;
}

/** A plan that fits, and what it takes to get there. */
export interface Fit {
  plan: MemoryPlanner;
  savings: Saving[];
}

type Learning = NonNullable<PolicyNeeds["learning"]>;

const learn = (change: (learning: Learning) => Partial<Learning>) => (needs: PolicyNeeds) =>
  needs.learning ? { ...needs, learning: { ...needs.learning, ...change(needs.learning) } } : needs;

/**
 * Every setting that lowers the memory of these needs, from the one that costs the least to the one that
 * costs the most; each in steps, from its mildest value on. The first three change no result, or its
 * rounding only.
 */
function savingsOf({ sampling, learning }: PolicyNeeds): Saving[][] {
  const rows = (least: number, most: number) =>
    halvings(most, least).map((n) => ({
      flag: "sampling-batch-size",
      value: String(n),
      apply: (needs: PolicyNeeds) =>
        needs.sampling ? { ...needs, sampling: { ...needs.sampling, rows: n } } : needs,
    }));
  const all: Saving[][] = [];
  const few = Math.min(sampling?.rows ?? 0, 16);
  if (sampling) all.push(rows(few, sampling.rows));
  if (learning && !learning.gradientCheckpointing) {
    const apply = learn(() => ({ gradientCheckpointing: true }));
    all.push([{ flag: "gradient-checkpointing", value: "", apply }]);
  }
  if (learning) {
    const least = Math.max(16, learning.longestSequence ?? learning.microBatchTokens);
    const tokens = halvings(learning.microBatchTokens, least).map((n) => {
      const apply = learn(() => ({ microBatchTokens: n }));
      return { flag: "micro-batch-tokens", value: String(n), apply };
    });
    all.push(tokens);
  }
  if (sampling) all.push(rows(1, few));
  if (learning && learning.optimizer.optim !== "adamw_8bit") {
    const apply = learn(({ optimizer }) => ({ optimizer: { ...optimizer, optim: "adamw_8bit" } }));
    all.push([{ flag: "optim", value: "adamw_8bit", apply }]);
  }
  if (learning?.lora && learning.lora.rank > 4) {
    const ranks = halvings(learning.lora.rank, 4).map((n) => {
      const rank = Math.ceil(n / 4) * 4;
      const apply = learn(({ lora }) => ({ lora: lora && { ...lora, rank } }));
      return { flag: "lora-rank", value: String(rank), apply };
    });
    all.push(ranks);
  }
  return all;
}

/** From under `from` down to `least`, each half of the one before. */
function halvings(from: number, least: number): number[] {
  const values: number[] = [];
  for (let n = from; n > least; values.push(n)) n = Math.max(least, Math.ceil(n / 2));
  return values;
}

/**
 * The smallest change to `needs` with which the run fits, null if nothing does. Settings are tightened
 * one after the other until it fits, and then each is loosened again, the dearest first, as far as it
 * still does: none of those that are left could be milder.
 */
export function smallestFit(
  config: ModelConfig,
  limits: AdapterLimits,
  room: Room,
  needs: PolicyNeeds,
  lora: LoraConfig | null = null,
): Fit | null {
  const all = savingsOf(needs);
  const steps = all.map(() => 0);
  const chosen = () => all.flatMap((saving, i) => (steps[i] > 0 ? [saving[steps[i] - 1]] : []));
  const planned = () => {
    const changed = chosen().reduce((sum, { apply }) => apply(sum), needs);
    return planMemory(config, limits, changed, changed.learning?.lora ?? lora);
  };
  let plan = planned();
  for (let i = 0; !fits(plan, room); plan = planned()) {
    while (i < all.length && steps[i] === all[i].length) i++;
    if (i === all.length) return null;
    steps[i]++;
  }
  for (let i = all.length - 1; i >= 0; i--) {
    while (steps[i] > 0) {
      steps[i]--;
      const looser = planned();
      if (!fits(looser, room)) {
        steps[i]++;
        break;
      }
      plan = looser;
    }
  }
  // a flag twice: the tighter value is the later one
  const savings = new Map(chosen().map((saving) => [saving.flag, saving]));
  return { plan, savings: [...savings.values()] };
}

/** "--gradient-checkpointing --micro-batch-tokens 1024" */
export const flagsOf = (savings: readonly Saving[]) =>
  savings.map(({ flag, value }) => `--${flag}${value && ` ${value}`}`).join(" ");

/** What to give up when no setting helps, by what takes the most. */
const ADVICE: Record<string, string> = {
  activations: "lower --max-completion-length, or choose a smaller --model",
  "KV cache": "lower --max-completion-length",
};

/** Refuses a run that the GPU cannot hold, saying what would make it fit. */
export function requireRoom(
  plan: MemoryPlanner,
  gpu: Gpu,
  config: ModelConfig,
  needs: PolicyNeeds,
  lora: LoraConfig | null,
): void {
  const room = roomOf(gpu);
  if (fits(plan, room)) return;
  const fit = smallestFit(config, gpu, room, needs, lora);
  const parts = [...plan.bytes].sort((a, b) => b[1] - a[1]);
  const most = plan.largest.bytes > room.piece ? plan.largest.part : parts[0][0];
  const fix = fit
    ? `it fits with ${flagsOf(fit.savings)}`
    : `${ADVICE[most] ?? "choose a smaller --model"}`;
  const help = needs.learning ? "; rlexplore plan shows what takes the memory" : "";
  throw new UserError(`${shortage(plan, room)}; ${fix}${help}`);
}

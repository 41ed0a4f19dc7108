/** Settings that save memory, and the fewest of them with which a run fits. */

import { UserError } from "../../lib/errors.ts";
import type { MemoryPlanner } from "../../lib/gpu/memory.ts";
import type { ModelConfig } from "../../lib/model/config.ts";
import { BLOCK_ROWS } from "../../lib/model/ops/heads.ts";
import type { LoraConfig } from "../lora/lora.ts";
import { type CacheSizes, cacheTokens } from "../paging/cache-blocks.ts";
import type { SystemGpu } from "../platform/gpu.ts";
import { type BaseDtype, baseFormats } from "../storage/base-formats.ts";
import { command, flagLine } from "../terminal/program.ts";
import {
  type AdapterLimits,
  fits,
  formatBytes,
  type PolicyNeeds,
  planMemory,
  promptSlotsFor,
  type Room,
  roomOf,
  shortage,
} from "./memory-plan.ts";

/** A setting as it is given on the command line. */
export interface Saving {
  /** Without the dashes. */
  flag: string;
  /** Empty for a switch. */
  value: string;
  /** The same run with this setting. */
  apply: (needs: PolicyNeeds) => PolicyNeeds;
}

/** A plan with what it takes to make it fit, or, where nothing does, with all there is. */
export interface Fit {
  fits: boolean;
  plan: MemoryPlanner;
  savings: Saving[];
}

type Learning = NonNullable<PolicyNeeds["learning"]>;

const learn = (change: (learning: Learning) => Partial<Learning>) => (needs: PolicyNeeds) =>
  needs.learning ? { ...needs, learning: { ...needs.learning, ...change(needs.learning) } } : needs;

/**
 * Every setting that lowers the memory of these needs, from the one that costs the least to the one that
 * costs the most; each in steps, from its mildest value on. The first four change no result, or its
 * rounding only.
 */
function savingsOf(needs: PolicyNeeds, readEvery: number, { halves }: Room): Saving[][] {
  const { sampling, learning, dtype = "f32" } = needs;
  const few = Math.min(sampling?.rows ?? 0, 16);
  const isFrozen = needs.formats !== undefined && !(learning && !learning.lora);
  const base = (names: BaseDtype[]) => (isFrozen ? names.map((name) => baseDtype(name)) : []);
  const tokens = sampling ? tokensHeld(sampling, readEvery) : () => 0;
  const savings = [
    sampling ? cacheTokensFrom(sampling.cacheTokens, tokens(sampling.rows), tokens(few)) : [],
    sampling ? samplingRows(sampling.rows, few) : [],
    learning && !learning.gradientCheckpointing ? [CHECKPOINTING] : [],
    learning ? microBatches(learning) : [],
    base(["f16", "q8_0"]),
    learning && learning.optimizer.optim !== "adamw_8bit" ? [OPTIM_8BIT] : [],
    halves && dtype === "f32" ? [DTYPE_F16] : [],
    sampling ? cacheTokensFrom(sampling.cacheTokens, tokens(few), tokens(1)) : [],
    sampling ? samplingRows(few, 1) : [],
    base(["q4_1"]),
    learning?.lora && !learning.isAdapter ? loraRanks(learning.lora) : [],
  ];
  return savings.filter((steps) => steps.length > 0);
}

const CHECKPOINTING: Saving = {
  flag: "gradient-checkpointing",
  value: "",
  apply: learn(() => ({ gradientCheckpointing: true })),
};

const OPTIM_8BIT: Saving = {
  flag: "optim",
  value: "adamw_8bit",
  apply: learn(({ optimizer }) => ({ optimizer: { ...optimizer, optim: "adamw_8bit" } })),
};

const DTYPE_F16: Saving = {
  flag: "dtype",
  value: "f16",
  apply: (needs) => ({ ...needs, dtype: "f16" }),
};

type Sampling = NonNullable<PolicyNeeds["sampling"]>;

const cacheSizes = (sampling: Sampling, readEvery: number, rows = sampling.rows): CacheSizes => {
  const promptSlots = promptSlotsFor(rows, sampling.samplesPerPrompt);
  return { ...sampling, rows, promptSlots, readEvery };
};

/** Tokens that so many rows and their prompts are, at their longest and in whole blocks; one alone needs one prompt. */
const tokensHeld = (sampling: Sampling, readEvery: number) => (rows: number) => {
  const sizes = cacheSizes(sampling, readEvery, rows);
  return cacheTokens(rows === 1 ? { ...sizes, promptSlots: 1 } : sizes, BLOCK_ROWS);
};

/** What `--kv-cache-tokens` saves of such a plan, or would; null where that is little, or nothing. */
export function cacheSaving(
  config: ModelConfig,
  limits: AdapterLimits,
  { sampling, ...needs }: PolicyNeeds,
): string | null {
  if (sampling?.cacheTokens === undefined) return null;
  const planned = (cacheTokens: number | null) =>
    planMemory(config, limits, { ...needs, sampling: { ...sampling, cacheTokens } });
  const bytes = (plan: MemoryPlanner) => plan.bytes.get("KV cache") ?? 0;
  const whole = planned(null);
  const { readEvery } = limits.variants;
  const all = cacheTokens(cacheSizes(sampling, readEvery));
  const longest = `${formatBytes(bytes(whole))} hold all completions at their longest, ${count(all)} tokens`;
  if (sampling.cacheTokens !== null) {
    if (sampling.cacheTokens >= all)
      return `KV cache: ${longest}, fewer than --kv-cache-tokens allows`;
    const now = `${formatBytes(bytes(planned(sampling.cacheTokens)))} for ${count(sampling.cacheTokens)} tokens at once`;
    return `KV cache: ${now}; ${longest}`;
  }
  if (bytes(whole) < whole.total * LARGE || sampling.rows === 1) return null;
  const half = Math.max(all >> 1, tokensHeld(sampling, readEvery)(1));
  const saved = `with --kv-cache-tokens ${half} they share ${formatBytes(bytes(planned(half)))}, which is enough if on average they are half as long`;
  return `KV cache: ${longest}; ${saved}`;
}

/** Of all memory: a KV cache that is worth a word. */
const LARGE = 0.1;

const count = (tokens: number) => tokens.toLocaleString("en");

/** Where the sampler can do with fewer tokens than its rows have at their longest. */
const cacheTokensFrom = (
  given: number | null | undefined,
  from: number,
  least: number,
): Saving[] =>
  given === undefined
    ? []
    : halvings(Math.min(given ?? from, from), least).map((tokens) => ({
        flag: "kv-cache-tokens",
        value: String(tokens),
        apply: ({ sampling, ...needs }) => ({
          ...needs,
          sampling: sampling && { ...sampling, cacheTokens: tokens },
        }),
      }));

const samplingRows = (from: number, least: number): Saving[] =>
  halvings(from, least).map((rows) => ({
    flag: "sampling-batch-size",
    value: String(rows),
    apply: ({ sampling, ...needs }) => ({ ...needs, sampling: sampling && { ...sampling, rows } }),
  }));

function microBatches({ microBatchTokens, longestSequence = microBatchTokens }: Learning) {
  return halvings(microBatchTokens, Math.max(16, longestSequence)).map((tokens) => ({
    flag: "micro-batch-tokens",
    value: String(tokens),
    apply: learn(() => ({ microBatchTokens: tokens })),
  }));
}

/** Ranks are multiples of 4. */
const loraRanks = ({ rank }: LoraConfig): Saving[] =>
  halvings(rank / 4, 1).map((quarter) => ({
    flag: "lora-rank",
    value: String(4 * quarter),
    apply: learn(({ lora }) => ({ lora: lora && { ...lora, rank: 4 * quarter } })),
  }));

const baseDtype = (value: BaseDtype): Saving => ({
  flag: "base-dtype",
  value,
  apply: (needs) => {
    const wanted = { baseDtype: value, dtype: needs.dtype ?? "f32" };
    return { ...needs, formats: baseFormats(wanted, new Map()) };
  },
});

/** From under `from` down to `least`, each half of the one before. */
function halvings(from: number, least: number): number[] {
  const values: number[] = [];
  for (let n = from; n > least; values.push(n)) n = Math.max(least, Math.ceil(n / 2));
  return values;
}

/**
 * The smallest change to `needs` with which the run fits, if any does. Settings are tightened
 * one after the other until it fits, and then each is loosened again, the dearest first, as far as it
 * still does: none of those that are left could be milder.
 */
export function smallestFit(
  config: ModelConfig,
  limits: AdapterLimits,
  room: Room,
  needs: PolicyNeeds,
  lora: LoraConfig | null = null,
): Fit {
  const all = savingsOf(needs, limits.variants.readEvery, room);
  const steps = all.map(() => 0);
  const chosen = () => all.flatMap((saving, i) => (steps[i] > 0 ? [saving[steps[i] - 1]] : []));
  const planned = () => {
    const changed = chosen().reduce((sum, { apply }) => apply(sum), needs);
    return planMemory(config, limits, changed, changed.learning?.lora ?? lora);
  };
  let plan = planned();
  for (let i = 0; i < all.length && !fits(plan, room); i++) {
    const before = plan;
    while (steps[i] < all[i].length && !fits(plan, room)) {
      steps[i]++;
      plan = planned();
    }
    // a full fine-tuning in f16 keeps weights twice: that may cost more than its activations save
    if (fits(plan, room) || plan.total < before.total) continue;
    steps[i] = 0;
    plan = before;
  }
  if (!fits(plan, room)) return { fits: false, plan, savings: chosen() };
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
  return { fits: true, plan, savings: [...savings.values()] };
}

/** "--gradient-checkpointing --micro-batch-tokens 1024" */
export const flagsOf = (savings: readonly Saving[]) =>
  flagLine(savings.map(({ flag, value }) => [flag, value]));

/** What to give up when no setting helps, by what takes the most. */
const ADVICE: Record<string, string> = {
  activations: "lower --max-completion-length, or choose a smaller --model",
  "KV cache": "lower --max-completion-length",
};

/** Refuses a run that the GPU cannot hold, saying what would make it fit. */
export function requireRoom(
  plan: MemoryPlanner,
  gpu: SystemGpu,
  config: ModelConfig,
  needs: PolicyNeeds,
  lora: LoraConfig | null,
): void {
  const room = roomOf(gpu);
  if (fits(plan, room)) return;
  const fit = smallestFit(config, gpu, room, needs, lora);
  const parts = [...plan.bytes].sort((a, b) => b[1] - a[1]);
  const most = plan.largest.bytes > room.piece ? plan.largest.part : parts[0][0];
  const fix = fit.fits
    ? `it fits with ${flagsOf(fit.savings)}`
    : `${ADVICE[most] ?? "choose a smaller --model"}`;
  const help = needs.learning ? `; ${command`plan`} shows what takes the memory` : "";
  throw new UserError(`${shortage(plan, room)}; ${fix}${help}`);
}

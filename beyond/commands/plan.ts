import { MEMORY_PARTS, type MemoryPart, type MemoryPlanner } from "../../lib/gpu/memory.ts";
import type { ModelConfig } from "../../lib/model/config.ts";
import { MOST_SPLIT_QUERIES } from "../../lib/model/ops/attention.ts";
import { tensorShapes } from "../../lib/model/parameters.ts";
import { LORA_TARGETS, type LoraConfig, loraShapes } from "../lora/lora.ts";
import {
  type AdapterLimits,
  formatBytes,
  type PolicyNeeds,
  planMemory,
  type Room,
  roomOf,
  shortage,
  trainingNeeds,
} from "../memory/memory-plan.ts";
import { cacheSaving, type Fit, flagsOf, smallestFit } from "../memory/savings.ts";
import type { ModelFolder } from "../models/folder.ts";
import { fitContext, longestPrompt, requireMicroBatch } from "../opening/lengths.ts";
import { openNamedModel, requireWhole } from "../opening/named-model.ts";
import { openGpu } from "../opening/policy.ts";
import { readQuestions, readRunData } from "../opening/questions.ts";
import { optionName } from "../settings/flags.ts";
import { parseReward } from "../settings/reward.ts";
import type { PlanSettings } from "../settings/training.ts";
import { baseFormats } from "../storage/base-formats.ts";
import { requireDtype } from "../storage/precision.ts";
import { command, flagLine } from "../terminal/program.ts";

/** Tokens of the longest prompt where no data says. */
const MAX_PROMPT_LENGTH = 512;

/** The adapters of a plan for LoRA, where no flag says. */
const LORA: LoraConfig = { rank: 16, alpha: 32, targets: LORA_TARGETS };

/** What a GPU with 8 GiB or more offers; `--memory` plans for one that is not there. */
export const ASSUMED_LIMITS: AdapterLimits = {
  bindingLimit: 2 ** 30,
  bufferLimit: 2 ** 30,
  alignment: 256,
  variants: {
    readEvery: 2,
    splitQueries: MOST_SPLIT_QUERIES,
    checkedTokens: Number.POSITIVE_INFINITY,
  },
};

/** One way to train: everything, or adapters. */
export interface Way {
  name: string;
  trained: number;
  plan: MemoryPlanner;
  fit: Fit;
}

/** Plans full fine-tuning and LoRA with the same settings, and finds what makes each fit. */
export function waysToTrain(
  config: ModelConfig,
  limits: AdapterLimits,
  room: Room,
  needs: PolicyNeeds & { learning: object },
): Way[] {
  const lora = needs.learning.lora ?? LORA;
  return [null, lora].map((lora) => {
    const own = { ...needs, learning: { ...needs.learning, lora } };
    const plan = planMemory(config, limits, own);
    const fit = smallestFit(config, limits, room, own);
    const trained = count(lora ? loraShapes(config, lora) : tensorShapes(config));
    return { name: lora ? `LoRA, rank ${lora.rank}` : "full fine-tuning", trained, plan, fit };
  });
}

/** `rlexplore plan`: the memory that `train` would take, by part, and settings with which it fits. */
export async function plan(given: PlanSettings): Promise<void> {
  const wanted = { weights: "if there", tokenizer: given.data !== "" } as const;
  const model = await openNamedModel(given.model, wanted);
  requireWhole(given.model, model);
  const { settings, prompt } = await lengths(given, model);
  const formats = baseFormats(settings, model.tensors);
  const needs = trainingNeeds(settings, prompt, formats);
  const gpu =
    given.memory === null || given.gpu !== null
      ? await openGpu(given.gpu, given.kernels, given.gpuBackend)
      : null;
  if (gpu) requireDtype(gpu, settings.dtype);
  const limits = gpu ?? ASSUMED_LIMITS;
  const room = gpu ? roomOf(gpu) : { piece: limits.bindingLimit, total: null, halves: true };
  if (given.memory !== null) room.total = given.memory;
  const ways = waysToTrain(model.config, limits, room, needs);
  const host = hostBytes(model.config);
  const saving = cacheSaving(model.config, limits, needs);
  gpu?.destroy();

  const commandOf = (way: Way) => commandLine(given, needs.learning.lora ?? LORA, way);
  if (given.json) {
    console.log(JSON.stringify({ model: model.source, room, host, ways: ways.map(asJson) }));
  } else if (given.quiet) {
    for (const way of ways) if (way.fit.fits) console.log(commandOf(way));
  } else {
    const { rows, maxNewTokens } = needs.sampling;
    const size =
      room.total === null
        ? "its memory is not known: say it with --memory 12GiB"
        : `${formatBytes(room.total)} ${given.memory === null ? "free" : "given"}`;
    const lines = [
      `${model.source}: ${count(tensorShapes(model.config)).toLocaleString("en")} parameters`,
      `micro-batches of ${settings.microBatchTokens} tokens; ${rows} completions at once, of up to ${maxNewTokens} tokens, prompts of up to ${prompt}`,
      "",
      ...table(ways),
      "",
      ...(saving ? [saving] : []),
      `adapter: ${gpu ? gpu.found.why : "none opened; limits as GPUs with 8 GiB or more have them"}`,
      `  ${size}, ${formatBytes(room.piece)} at most for one tensor`,
      `host: about ${formatBytes(host)} beside that, mostly for one tensor at a time`,
      ...ways.flatMap((way) => {
        const line = `\n${verdict(way, room)}`;
        return way.fit.fits ? [line, `  ${commandOf(way)}`] : [line];
      }),
    ];
    console.log(lines.join("\n"));
  }
}

/** Settles how long prompts and completions may be: by the data, if there is any. */
async function lengths(given: PlanSettings, model: ModelFolder) {
  if (given.data) {
    const note = (text: string) => console.error(text);
    const rewards = parseReward(given.reward, given.outcome);
    const read = await readQuestions(given, await readRunData(given, note), model, rewards, note);
    const prompt = longestPrompt([...read.questions.drawn, ...read.heldOut]);
    return { settings: read.settings, prompt };
  }
  const context = model.config.maxPositionEmbeddings;
  const settings = fitContext(given, [], context);
  const prompt = given.maxPromptLength ?? Math.min(MAX_PROMPT_LENGTH, context >> 1);
  requireMicroBatch(prompt, settings);
  return { settings, prompt };
}

/** Whether it fits, or with what. */
function verdict({ name, plan, fit }: Way, room: Room): string {
  if (!fit.fits) {
    return `${name} does not fit: with all that saves memory ${shortage(fit.plan, room)}`;
  }
  if (fit.savings.length === 0) {
    const sure = room.total === null ? ", as far as the adapter tells" : "";
    return `${name} fits as it is, in ${formatBytes(plan.total)}${sure}`;
  }
  return `${name} does not fit: ${shortage(plan, room)}; it does in ${formatBytes(fit.plan.total)} with`;
}

/** `fits`: as it is; `with`: the flags with which it does, in `totalThen` bytes, null where all of them do not suffice. */
const asJson = ({ name, trained, plan, fit }: Way) => ({
  name,
  trained,
  bytes: Object.fromEntries(plan.bytes),
  total: plan.total,
  fits: fit.fits && fit.savings.length === 0,
  with: fit.fits ? fit.savings.map((saving) => flagsOf([saving])) : null,
  totalThen: fit.plan.total,
});

/** The bytes of each way side by side. */
function table(ways: readonly Way[]): string[] {
  const bytesOf = (part: MemoryPart) => (way: Way) => formatBytes(way.plan.bytes.get(part) ?? 0);
  const rows: [string, (way: Way) => string][] = [
    ["", ({ name }) => name],
    ["trained parameters", ({ trained }) => trained.toLocaleString("en")],
    ...MEMORY_PARTS.map((part): (typeof rows)[number] => [part, bytesOf(part)]),
    ["in all", ({ plan }) => formatBytes(plan.total)],
    ["largest tensor", ({ plan }) => formatBytes(plan.largest.bytes)],
  ];
  return rows.map(
    ([label, cell]) => label.padEnd(22) + ways.map((way) => cell(way).padStart(18)).join(""),
  );
}

/** What full fine-tuning has no use for. */
const LORA_FLAGS = ["lora-rank", "lora-alpha", "lora-targets", "base-dtype"];

/** The call of `train` that fits: what was typed, with what is to be set in its place. */
function commandLine({ data, line }: PlanSettings, lora: LoraConfig, { name, fit }: Way): string {
  const flags = new Map([...line].map(([key, texts]) => [optionName(key), texts]));
  const isFull = name === "full fine-tuning";
  if (isFull) for (const flag of LORA_FLAGS) flags.delete(flag);
  else if (!flags.has("lora-rank")) flags.set("lora-rank", [String(lora.rank)]);
  for (const { flag, value } of fit.savings) flags.set(flag, [value]);
  const each = [...flags].flatMap(([flag, texts]) => texts.map((text) => [flag, text] as const));
  return `${command`train ${data || "data.jsonl"}`} ${flagLine(each)}`.trimEnd();
}

const elements = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/** Elements of all the tensors. */
const count = (shapes: ReadonlyMap<string, readonly number[]>) =>
  [...shapes.values()].reduce((sum, shape) => sum + elements(shape), 0);

/** The program and its GPU driver before anything is loaded. */
const HOST_BASE = 500 * 2 ** 20;

/** Host memory: the program, and the largest tensor as float32, twice while it is read or written. */
function hostBytes(config: ModelConfig): number {
  const largest = [...tensorShapes(config).values()].map(elements).reduce((a, b) => Math.max(a, b));
  return HOST_BASE + 2 * 4 * largest;
}

import { optionName } from "./flags.ts";
import { MEMORY_PARTS, type MemoryPlanner } from "./gpu/memory.ts";
import {
  type AdapterLimits,
  formatBytes,
  type PolicyNeeds,
  planMemory,
  type Room,
  roomOf,
  shortage,
  trainingNeeds,
} from "./memory-plan.ts";
import { baseFormats } from "./model/base-formats.ts";
import type { ModelConfig } from "./model/config.ts";
import { tensorShapes } from "./model/config.ts";
import { adapterShapes, LORA_TARGETS, type LoraConfig } from "./model/lora.ts";
import { requireDtype } from "./model/precision.ts";
import { openNamedModel, requireWhole } from "./named-model.ts";
import { openGpu } from "./policy.ts";
import { readQuestions, readRunData, requireMicroBatch } from "./questions.ts";
import { fitContext, longestPrompt } from "./rollout.ts";
import { type Fit, flagsOf, smallestFit } from "./savings.ts";
import type { PlanSettings } from "./settings.ts";

/** Tokens of the longest prompt where no data says. */
const MAX_PROMPT_LENGTH = 512;

/** The adapters of a plan for LoRA, where no flag says. */
const LORA: LoraConfig = { rank: 16, alpha: 32, targets: LORA_TARGETS };

/** What a GPU with 8 GiB or more offers; `--memory` plans for one that is not there. */
export const ASSUMED_LIMITS: AdapterLimits = {
  bindingLimit: 2 ** 30,
  bufferLimit: 2 ** 30,
  alignment: 256,
  variants: { readEvery: 8 },
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
    const trained = count(lora ? adapterShapes(config, lora) : tensorShapes(config));
    return { name: lora ? `LoRA, rank ${lora.rank}` : "full fine-tuning", trained, plan, fit };
  });
}

/** `rlexplore plan`: the memory that `train` would take, by part, and settings with which it fits. */
export async function plan(given: PlanSettings): Promise<void> {
  const note = (text: string) => console.error(text);
  const wanted = { weights: "if there", tokenizer: given.data !== "" } as const;
  const model = await openNamedModel(given.model, wanted);
  requireWhole(given.model, model);
  const { config } = model;
  const context = config.maxPositionEmbeddings;
  let settings: PlanSettings & { maxCompletionLength: number };
  let prompt: number;
  if (given.data) {
    const read = await readQuestions(given, await readRunData(given, note), model, note);
    settings = read.settings;
    prompt = longestPrompt([...read.questions.drawn, ...read.heldOut]);
  } else {
    settings = fitContext(given, [], context);
    prompt = given.maxPromptLength ?? Math.min(MAX_PROMPT_LENGTH, context >> 1);
    requireMicroBatch(prompt, settings);
  }
  const formats = baseFormats(settings, config, model.tensors);
  const needs = trainingNeeds(settings, prompt, formats);
  const gpu = given.memory === null || given.gpu !== null ? await openGpu(given.gpu) : null;
  if (gpu) requireDtype(gpu, settings.dtype);
  const limits = gpu ?? ASSUMED_LIMITS;
  const room = gpu ? roomOf(gpu) : { piece: limits.bindingLimit, total: null, halves: true };
  if (given.memory !== null) room.total = given.memory;
  const ways = waysToTrain(config, limits, room, needs);
  const host = hostBytes(config);
  gpu?.destroy();

  if (given.json) {
    console.log(JSON.stringify({ model: model.source, room, host, ways: ways.map(asJson) }));
    return;
  }
  const commandOf = (way: Way) => commandLine(given, needs.learning.lora ?? LORA, way);
  if (given.quiet) {
    for (const way of ways) if (way.fit.fits) console.log(commandOf(way));
    return;
  }
  const { samplesPerPrompt: _, rows, maxNewTokens } = needs.sampling;
  console.log(`${model.source}: ${count(tensorShapes(config)).toLocaleString("en")} parameters
micro-batches of ${settings.microBatchTokens} tokens; ${rows} completions at once, of up to ${maxNewTokens} tokens, prompts of up to ${prompt}

${table(ways)}

adapter: ${gpu ? gpu.found.why : "none opened; limits as GPUs with 8 GiB or more have them"}
  ${room.total === null ? "tells no size of its memory: say it with --memory 12GiB" : `${formatBytes(room.total)} ${given.memory === null ? "free" : "given"}`}, ${formatBytes(room.piece)} at most for one tensor
host: about ${formatBytes(host)} beside that, mostly for one tensor at a time`);
  for (const way of ways)
    console.log(`\n${verdict(way, room)}${way.fit.fits ? `\n  ${commandOf(way)}` : ""}`);
}

/** Whether it fits, or with what. */
function verdict({ name, plan, fit }: Way, room: Room): string {
  if (!fit.fits)
    return `${name} does not fit: with all that saves memory ${shortage(fit.plan, room)}`;
  if (fit.savings.length === 0) {
    const sure = room.total === null ? ", as far as the adapter tells" : "";
    return `${name} fits as it is, in ${formatBytes(plan.total)}${sure}`;
  }
  return `${name} does not fit: ${shortage(plan, room)}; it does in ${formatBytes(fit.plan.total)} with`;
}

const asJson = ({ name, trained, plan, fit }: Way) => ({
  name,
  trained,
  bytes: Object.fromEntries(plan.bytes),
  total: plan.total,
  fits: fit.fits,
  with: fit.savings.map((saving) => flagsOf([saving])),
  totalThen: fit.plan.total,
});

/** The bytes of each way side by side. */
function table(ways: readonly Way[]): string {
  const row = (label: string, cells: string[]) =>
    label.padEnd(22) + cells.map((cell) => cell.padStart(18)).join("");
  const bytes = (label: string, of: (way: Way) => number) =>
    row(
      label,
      ways.map((way) => formatBytes(of(way))),
    );
  return [
    row(
      "",
      ways.map(({ name }) => name),
    ),
    row(
      "trained parameters",
      ways.map(({ trained }) => trained.toLocaleString("en")),
    ),
    ...MEMORY_PARTS.map((part) => bytes(part, ({ plan }) => plan.bytes.get(part) ?? 0)),
    bytes("in all", ({ plan }) => plan.total),
    bytes("largest tensor", ({ plan }) => plan.largest.bytes),
  ].join("\n");
}

/** The call of `train` that fits: what was typed, with what is to be set in its place. */
function commandLine({ data, line }: PlanSettings, lora: LoraConfig, { name, fit }: Way): string {
  const flags = new Map([...line].map(([key, texts]) => [optionName(key), texts]));
  const isFull = name === "full fine-tuning";
  for (const flag of ["lora-rank", "lora-alpha", "lora-targets", "base-dtype"]) {
    if (isFull) flags.delete(flag);
  }
  if (!isFull && !flags.has("lora-rank")) flags.set("lora-rank", [String(lora.rank)]);
  for (const { flag, value } of fit.savings) flags.set(flag, [value]);
  const words = [...flags].flatMap(([flag, texts]) =>
    texts.flatMap((text) => (text === "" ? [`--${flag}`] : [`--${flag}`, quoted(text)])),
  );
  return ["rlexplore train", quoted(data || "data.jsonl"), ...words].join(" ");
}

/** A word as a shell reads it. */
const quoted = (word: string) =>
  /^[\w./:@,=+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/** Elements of all the tensors. */
function count(shapes: ReadonlyMap<string, readonly number[]>): number {
  let sum = 0;
  for (const shape of shapes.values()) sum += shape.reduce((a, b) => a * b, 1);
  return sum;
}

/** The program and its GPU driver before anything is loaded. */
const HOST_BASE = 300 * 2 ** 20;

/** Host memory: the program, and the largest tensor as float32, twice while it is turned into that or written. */
function hostBytes(config: ModelConfig): number {
  const sizes = [...tensorShapes(config).values()].map((shape) => shape.reduce((a, b) => a * b, 1));
  return HOST_BASE + 2 * 4 * sizes.reduce((most, size) => Math.max(most, size), 0);
}

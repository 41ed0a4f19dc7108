import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { fileBlob } from "#platform/files.ts";
import { watched } from "#platform/watchdog.ts";
import { UserError } from "../../lib/errors.ts";
import type { ModelConfig } from "../../lib/model/config.ts";
import type { ModelFolder } from "../models/folder.ts";
import {
  openSafetensors,
  readTensor,
  requireTensors,
  type StoredTensor,
} from "../models/safetensors.ts";
import { LORA_TARGETS, type LoraConfig, loraShapes } from "./lora.ts";

export const ADAPTER_CONFIG = "adapter_config.json";
export const ADAPTER_WEIGHTS = "adapter_model.safetensors";

/** A LoRA in PEFT's format. */
export interface StoredLora {
  config: LoraConfig;
  tensors: Map<string, StoredTensor>;
}

/** A model, and the LoRA that is to be added to it. */
export interface LoraModel extends ModelFolder {
  lora?: StoredLora;
}

/** PEFT's fields that describe, or matter only when training begins or to other programs. */
const described = Object.fromEntries(
  (
    "task_type auto_mapping peft_version revision inference_mode lora_dropout layers_pattern loftq_config " +
    "eva_config corda_config megatron_config megatron_core qalora_group_size ensure_weight_tying"
  )
    .split(" ")
    .map((name) => [name, z.unknown().optional()]),
);
/** A field that is unknown here, and changes nothing. */
const unset = z.union(
  [z.literal([false, null]), z.array(z.never()), z.record(z.string(), z.never())],
  { error: ({ input }) => `it is ${JSON.stringify(input).slice(0, 40)}` },
);
/** PEFT's adapter_config.json: a field that is not listed may change the computation, and must be unset. */
const adapterConfig = z
  .object({
    peft_type: z.literal("LORA"),
    base_model_name_or_path: z.string().min(1, "it does not name the base model"),
    r: z.int().positive().max(4096),
    lora_alpha: z.number().positive(),
    target_modules: z.array(z.enum(LORA_TARGETS)).min(1),
    use_rslora: z.boolean().default(false),
    bias: z.literal("none").default("none"),
    // the others, such as pissa, begin by changing the base
    init_lora_weights: z.union([z.boolean(), z.enum(["gaussian", "orthogonal", "eva"])]).nullish(),
    ...described,
  })
  .catchall(unset);

/** Whether a folder holds a LoRA rather than a whole model. */
export const isLora = (path: string) => existsSync(join(path, ADAPTER_CONFIG));

/** Reads which LoRA a folder holds, and of which base model. */
export function readLoraConfig(path: string): { lora: LoraConfig; base: string } {
  const file = join(path, ADAPTER_CONFIG);
  let json: unknown;
  try {
    const text = readFileSync(file, "utf8");
    json = watched(file, () => JSON.parse(text));
  } catch {
    throw new UserError(`${file}: not valid JSON; copy the adapter again`);
  }
  const { data, error } = adapterConfig.safeParse(json);
  if (!data) {
    const { path: field, message } = error.issues[0];
    throw new UserError(`${file}: ${field.join(".")} is not supported: ${message}`);
  }
  const { r: rank, lora_alpha, use_rslora, target_modules } = data;
  // rank-stabilised LoRA (Kalajdzievski 2023) scales by alpha / sqrt(rank) instead of alpha / rank
  const alpha = use_rslora ? lora_alpha * Math.sqrt(rank) : lora_alpha;
  const targets = LORA_TARGETS.filter((target) => target_modules.includes(target));
  return { lora: { rank, alpha, targets }, base: data.base_model_name_or_path };
}

/** The `adapter_config.json` with which PEFT adds the LoRA to `base`. */
export function loraConfigText({ rank, alpha, targets }: LoraConfig, base: string): string {
  const config = {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: base,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: 0,
    target_modules: targets,
    bias: "none",
    fan_in_fan_out: false,
    inference_mode: true,
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

/** Opens the tensors of the LoRA in a folder. */
export async function openLora(
  path: string,
  config: ModelConfig,
  lora: LoraConfig,
): Promise<StoredLora> {
  const file = join(path, ADAPTER_WEIGHTS);
  if (!existsSync(file)) throw new UserError(`${path} has no ${ADAPTER_WEIGHTS}; copy it again`);
  const tensors = await openSafetensors(fileBlob(file), file);
  requireTensors(tensors, loraShapes(config, lora), file);
  return padded({ config: lora, tensors });
}

/** The same LoRA with a rank that is a multiple of 4, as the kernels read rows: zeros add nothing. */
async function padded({ config, tensors }: StoredLora): Promise<StoredLora> {
  const wide = paddedConfig(config);
  const { rank } = wide;
  if (rank === config.rank) return { config, tensors };
  const wider = new Map<string, StoredTensor>();
  for (const [name, tensor] of tensors) {
    const [rows, columns] = tensor.shape;
    const values = await readTensor(tensors, name);
    const shape = name.includes(".lora_B.") ? [rows, rank] : [rank, columns];
    const out = new Float32Array(shape[0] * shape[1]);
    for (let row = 0; row < rows; row++) {
      out.set(values.subarray(row * columns, (row + 1) * columns), row * shape[1]);
    }
    wider.set(name, { dtype: "F32", shape, bytes: new Blob([out]), source: tensor.source });
  }
  return { config: wide, tensors: wider };
}

function paddedConfig(config: LoraConfig): LoraConfig {
  const rank = Math.ceil(config.rank / 4) * 4;
  return { ...config, rank, alpha: (config.alpha * rank) / config.rank };
}

/** The LoRA that a folder holds, as it is opened; null for one that holds none. */
export const adapterIn = (path: string): LoraConfig | null =>
  isLora(path) ? paddedConfig(readLoraConfig(path).lora) : null;

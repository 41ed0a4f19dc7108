import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../errors.ts";
import type { ModelConfig } from "./config.ts";
import type { ModelFolder } from "./folder.ts";
import { adapterShapes, LORA_TARGETS, type LoraConfig } from "./lora.ts";
import { openSafetensors, requireTensors, type StoredTensor } from "./safetensors.ts";

export const ADAPTER_CONFIG = "adapter_config.json";
export const ADAPTER_WEIGHTS = "adapter_model.safetensors";

/** A LoRA adapter in PEFT's format. */
export interface StoredAdapter {
  lora: LoraConfig;
  tensors: Map<string, StoredTensor>;
}

/** A model, and the adapter that is to be added to it. */
export interface AdaptedModel extends ModelFolder {
  adapter?: StoredAdapter;
}

/** What we read of PEFT's adapter_config.json; a value not allowed here changes the computation. */
const off = z.literal([false, null]).optional();
const empty = z.union([z.null(), z.array(z.never()), z.record(z.string(), z.never())]).optional();
const adapterConfig = z.object({
  peft_type: z.literal("LORA"),
  base_model_name_or_path: z.string().min(1, "it does not name the base model"),
  r: z.int().positive().multipleOf(4),
  lora_alpha: z.number().positive(),
  target_modules: z.array(z.enum(LORA_TARGETS)).min(1),
  bias: z.literal("none").default("none"),
  fan_in_fan_out: off,
  lora_bias: off,
  use_dora: off,
  use_rslora: off,
  use_qalora: off,
  rank_pattern: empty,
  alpha_pattern: empty,
  modules_to_save: empty,
  layers_to_transform: empty,
  layer_replication: empty,
  exclude_modules: empty,
  alora_invocation_tokens: empty,
  target_parameters: empty,
  trainable_token_indices: empty,
});

/** Whether a folder holds an adapter rather than a whole model. */
export const isAdapter = (path: string) => existsSync(join(path, ADAPTER_CONFIG));

/** Reads which adapter a folder holds, and of which base model. */
export function readAdapterConfig(path: string): { lora: LoraConfig; base: string } {
  const file = join(path, ADAPTER_CONFIG);
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    throw new UserError(`${file}: not valid JSON; copy the adapter again`);
  }
  const { data, error } = adapterConfig.safeParse(json);
  if (!data) {
    const { path: field, message } = error.issues[0];
    throw new UserError(`${file}: ${field.join(".")} is not supported: ${message}`);
  }
  const { r: rank, lora_alpha: alpha, target_modules } = data;
  const targets = LORA_TARGETS.filter((target) => target_modules.includes(target));
  return { lora: { rank, alpha, targets }, base: data.base_model_name_or_path };
}

/** The `adapter_config.json` with which PEFT adds the adapter to `base`. */
export function adapterConfigText({ rank, alpha, targets }: LoraConfig, base: string): string {
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

/** Opens the tensors of the adapter in a folder. */
export async function openAdapter(
  path: string,
  config: ModelConfig,
  lora: LoraConfig,
): Promise<StoredAdapter> {
  const file = join(path, ADAPTER_WEIGHTS);
  if (!existsSync(file)) throw new UserError(`${path} has no ${ADAPTER_WEIGHTS}; copy it again`);
  const tensors = await openSafetensors(Bun.file(file), file);
  requireTensors(tensors, adapterShapes(config, lora), file);
  return { lora, tensors };
}

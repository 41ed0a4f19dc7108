import { readFileSync } from "node:fs";
import { parseModelConfig } from "../../beyond/models/config.ts";
import type { ModelConfig } from "../../lib/model/config.ts";
import type { Group } from "../oracle/packing.ts";

/** The variants that decoder.py makes: Llama with either head and with scaled RoPE, and the other families. */
export const GOLDENS = [
  "untied",
  "tied",
  "llama3",
  "linear",
  "mistral",
  "qwen2",
  "qwen3",
  "gemma3",
] as const;
/** Those that the oracle decoder computes; of what else Gemma does each kernel has its own oracle. */
export const LLAMA_GOLDENS = GOLDENS.filter((name) => name !== "gemma3");
export type GoldenName = (typeof GOLDENS)[number];

/** What PyTorch computed for a tiny model in float64; decoder.py says how. */
export interface DecoderGolden {
  config: ModelConfig;
  /** Their completion tokens in order are the M predictions. */
  groups: Group[];
  temperature: number;
  /** By Hugging Face name; every number is exact in f32. */
  weights: Map<string, Float64Array>;
  /** [M] dLogprobs of the backward pass */
  coefficients: Float64Array;
  /** [M] */
  logprobs: Float64Array;
  /** [M] */
  entropies: Float64Array;
  /** Of sum(coefficients * logprobs), by Hugging Face name. */
  gradients: Map<string, Float64Array>;
  /** The loss before each of 20 steps of AdamW on the batch, at temperature 1. */
  losses: Float64Array;
  optimizer: {
    lr: number;
    betas: [number, number];
    eps: number;
    weight_decay: number;
    max_norm: number;
  };
  /** What greedy decoding appends to the prompt of each group. */
  greedy: number[][];
}

/** Every tensor of a safetensors file as float64, and the JSON under `case` in its metadata. */
function readSafetensors(path: URL) {
  const { buffer } = new Uint8Array(readFileSync(path));
  const headerEnd = 8 + Number(new DataView(buffer).getBigUint64(0, true));
  const { __metadata__: metadata, ...entries } = JSON.parse(
    new TextDecoder().decode(buffer.slice(8, headerEnd)),
  );
  const tensors = new Map<string, Float64Array>();
  for (const [name, entry] of Object.entries(entries)) {
    const { dtype, data_offsets: range } = entry as { dtype: string; data_offsets: number[] };
    const bytes = buffer.slice(headerEnd + range[0], headerEnd + range[1]);
    const values = dtype === "F64" ? new Float64Array(bytes) : new Float32Array(bytes);
    tensors.set(name, Float64Array.from(values));
  }
  return { tensors, metadata: JSON.parse(metadata.case) };
}

/** PEFT's LoRA on top of a golden model; lora.py says how. Weights and gradients are the adapters'. */
export function loadLoraGolden(name: "qwen2" | "linear") {
  const { tensors, metadata } = readSafetensors(
    new URL(`lora-${name}.safetensors`, import.meta.url),
  );
  return { ...results(tensors), adapterConfig: metadata.adapter_config as Record<string, unknown> };
}

const results = (tensors: Map<string, Float64Array>) => {
  const under = (prefix: string) =>
    new Map(
      Array.from(tensors)
        .filter(([key]) => key.startsWith(prefix))
        .map(([key, tensor]) => [key.slice(prefix.length), tensor]),
    );
  const vector = (key: string) => tensors.get(key) as Float64Array;
  return {
    weights: under("weights/"),
    coefficients: vector("coefficients"),
    logprobs: vector("logprobs"),
    entropies: vector("entropies"),
    gradients: under("gradients/"),
    losses: vector("losses"),
  };
};

export function loadDecoderGolden(name: GoldenName): DecoderGolden {
  const path = new URL(`decoder-${name}.safetensors`, import.meta.url);
  const { tensors, metadata } = readSafetensors(path);
  return {
    ...results(tensors),
    config: parseModelConfig(JSON.stringify(metadata.config), path.pathname),
    groups: metadata.groups,
    temperature: metadata.temperature,
    optimizer: metadata.optimizer,
    greedy: metadata.greedy,
  };
}

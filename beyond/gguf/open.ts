import { existsSync } from "node:fs";
import { fileBlob } from "#platform/files.ts";
import { UserError } from "../../lib/errors.ts";
import { modelTensors, tensorShapes } from "../../lib/model/parameters.ts";
import { newConfig, parseModelConfig } from "../models/config.ts";
import type { ModelFolder, Wanted } from "../models/folder.ts";
import { readTensor, requireTensors, type StoredTensor } from "../models/safetensors.ts";
import { configOf } from "./config.ts";
import { openGgufFile } from "./format.ts";
import { interleavedHeads, ROPE_FACTORS } from "./names.ts";
import { tokenizerFilesOf } from "./tokenizer.ts";

/** Opens a GGUF file as the Hugging Face model it was made from: names, order of rows, config, tokenizer. */
export async function openGgufModel(
  path: string,
  { weights = true }: Pick<Wanted, "weights"> = {},
): Promise<ModelFolder> {
  if (!existsSync(path)) throw new UserError(`${path}: no such file; check --model`);
  const gguf = await openGgufFile(fileBlob(path), path);
  const factors = gguf.tensors.has(ROPE_FACTORS)
    ? await readTensor(gguf.tensors, ROPE_FACTORS)
    : null;
  gguf.tensors.delete(ROPE_FACTORS);
  const configText = newConfig(configOf(gguf, factors, path));
  const config = parseModelConfig(configText, path);
  const license = gguf.metadata.get("general.license");
  const card = typeof license === "string" ? { license } : undefined;
  const files = tokenizerFilesOf(gguf.metadata, path);
  const model = { source: path, config, configText, isGguf: true, card, files } as const;
  if (!weights) return { ...model, tensors: new Map() };
  const architecture = String(gguf.metadata.get("general.architecture"));
  const names = new Map(modelTensors(config).map(({ name, gguf }) => [gguf, name]));
  const tensors = new Map<string, StoredTensor>();
  for (const [ggufName, tensor] of gguf.tensors) {
    const name = names.get(ggufName) ?? ggufName;
    const interleaved = interleavedHeads(name, architecture, config);
    // GGUF holds what norms multiply by, Hugging Face that less what the model adds
    const less = tensor.shape.length === 1 ? config.normOffset : undefined;
    tensors.set(name, { ...tensor, interleaved, less });
  }
  requireTensors(tensors, tensorShapes(config), path);
  return { ...model, tensors };
}

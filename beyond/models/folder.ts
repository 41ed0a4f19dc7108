import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import type { ModelConfig } from "../../lib/model/config.ts";
import { tensorShapes } from "../../lib/model/parameters.ts";
import { parseModelConfig, toHuggingFaceConfig } from "./config.ts";
import { openSafetensors, requireTensors, type StoredTensor } from "./safetensors.ts";
import { openShards } from "./shards.ts";

/** An opened Hugging Face model. The weights stay on disk until they are read one by one. */
export interface ModelFolder {
  /** Its path or name, for messages. */
  source: string;
  config: ModelConfig;
  tensors: Map<string, StoredTensor>;
  /** Text files that go with the model unchanged: the tokenizer's and `generation_config.json`. */
  files: Record<string, string>;
}

export const WEIGHTS = "model.safetensors";
const TOKENIZER = "tokenizer.json";
const TEXT_FILES = [
  TOKENIZER,
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.json",
  "merges.txt",
  "chat_template.jinja",
  "generation_config.json",
];

/** Everything a model folder may have but the weights. */
export const MODEL_FILES = ["config.json", ...TEXT_FILES];

/** What of a model is wanted beside its config. */
export interface Wanted {
  /** False leaves `tensors` empty, and "if there" does so where they are missing or damaged. */
  weights?: boolean | "if there";
  /** False allows `files` to be empty. */
  tokenizer?: boolean;
}

/** Opens a model whose files `find` gives by name, null for one that is not there. */
export async function openModel(
  source: string,
  find: (name: string) => Blob | null,
  { weights = true, tokenizer = true }: Wanted = {},
): Promise<ModelFolder> {
  const need = (name: string) => {
    const file = find(name);
    if (file) return file;
    throw new UserError(`${source} has no ${name}; give a Hugging Face model folder`);
  };
  const config = parseModelConfig(await need("config.json").text(), `${source}/config.json`);
  if (tokenizer) need(TOKENIZER);
  const files: Record<string, string> = {};
  for (const name of TEXT_FILES) {
    const file = find(name);
    if (file) files[name] = await file.text();
  }
  if (!weights) return { source, config, tensors: new Map(), files };
  if (weights === "if there") {
    return openModel(source, find, { tokenizer }).catch((error) => {
      if (!(error instanceof UserError)) throw error;
      return openModel(source, find, { weights: false, tokenizer });
    });
  }
  const whole = find(WEIGHTS);
  const index = whole ? null : find(`${WEIGHTS}.index.json`);
  const tensors = index
    ? await openShards(await index.text(), find, source)
    : await openSafetensors(need(WEIGHTS), `${source}/${WEIGHTS}`);
  requireTensors(
    tensors,
    tensorShapes(config),
    `${source}/${whole ? WEIGHTS : `${WEIGHTS}.index.json`}`,
  );
  return { source, config, tensors, files };
}

/** Opens a model folder on disk. */
export function openModelFolder(path: string, options: Wanted = {}) {
  if (!existsSync(path)) {
    throw new UserError(`${path}: no such model folder; check --model`);
  }
  const find = (name: string) => (existsSync(join(path, name)) ? Bun.file(join(path, name)) : null);
  return openModel(path, find, options);
}

/** The text files of a model folder, by name: everything but the weights. */
export function modelTexts(model: Pick<ModelFolder, "config" | "files">): Record<string, string> {
  const { config, files } = model;
  const generation = { bos_token_id: config.bosTokenId, eos_token_id: config.eosTokenIds };
  return {
    "generation_config.json": `${JSON.stringify(generation, null, 2)}\n`,
    ...files,
    "config.json": `${JSON.stringify(toHuggingFaceConfig(config), null, 2)}\n`,
  };
}

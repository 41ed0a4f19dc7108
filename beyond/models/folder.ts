import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileBlob } from "#platform/files.ts";
import { UserError } from "../../lib/errors.ts";
import type { ModelConfig } from "../../lib/model/config.ts";
import { tensorShapes } from "../../lib/model/parameters.ts";
import { diskError } from "../platform/files.ts";
import { CARD, type ModelCard, readCard } from "./card.ts";
import { parseModelConfig, trainedConfig } from "./config.ts";
import { openSafetensors, requireTensors, type StoredTensor } from "./safetensors.ts";
import { openShards } from "./shards.ts";

/** An opened Hugging Face model. The weights stay on disk until they are read one by one. */
export interface ModelFolder {
  /** Its path or name, for messages. */
  source: string;
  config: ModelConfig;
  /** The `config.json` that says so. */
  configText: string;
  /** Everything stands in one GGUF file: there is no such file as `config.json`. */
  isGguf?: true;
  tensors: Map<string, StoredTensor>;
  /** Text files that go with the model unchanged: the tokenizer's and `generation_config.json`. */
  files: Record<string, string>;
  /** SentencePiece's `tokenizer.model`: not read here, but other programs want it. */
  sentencePiece?: Blob;
  /** What its `README.md` says. */
  card?: ModelCard;
  /** What the user ought to know of it. */
  notes?: readonly string[];
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

const SENTENCE_PIECE = "tokenizer.model";

/** Everything a model folder may have but the weights. */
export const MODEL_FILES = ["config.json", ...TEXT_FILES, SENTENCE_PIECE, CARD];

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
  const notes: string[] = [];
  const note = (text: string) => notes.push(`${source}: ${text}`);
  const configText = await textOf(need("config.json"), `${source}/config.json`);
  const config = parseModelConfig(configText, `${source}/config.json`, note);
  if (tokenizer) need(TOKENIZER);
  const files: Record<string, string> = {};
  for (const name of TEXT_FILES) {
    const file = find(name);
    if (file) files[name] = await textOf(file, `${source}/${name}`);
  }
  const sentencePiece = find(SENTENCE_PIECE) ?? undefined;
  const card = await readCard(find(CARD));
  const described = { source, config, configText, files, sentencePiece, card, notes };
  if (!weights) return { ...described, tensors: new Map() };
  if (weights === "if there") {
    return openModel(source, find, { tokenizer }).catch((error) => {
      if (!(error instanceof UserError)) throw error;
      return openModel(source, find, { weights: false, tokenizer });
    });
  }
  const whole = find(WEIGHTS);
  const index = whole ? null : find(`${WEIGHTS}.index.json`);
  const tensors = index
    ? await openShards(await textOf(index, `${source}/${WEIGHTS}.index.json`), find, source)
    : await openSafetensors(need(WEIGHTS), `${source}/${WEIGHTS}`);
  const tied = await tiedHead(config, tensors, note);
  requireTensors(
    tensors,
    tensorShapes(tied),
    `${source}/${whole ? WEIGHTS : `${WEIGHTS}.index.json`}`,
  );
  return { ...described, config: tied, tensors };
}

/**
 * The config with a head of its own where `tie_word_embeddings` says there is none, but the file has one that
 * differs from the embedding: as transformers does, it is used.
 */
async function tiedHead(
  config: ModelConfig,
  tensors: Map<string, StoredTensor>,
  note: (text: string) => void,
): Promise<ModelConfig> {
  const [embedding, head] = [EMBEDDING, HEAD].map((name) => tensors.get(name));
  if (!config.tieWordEmbeddings || !head) return config;
  if (!embedding) {
    tensors.set(EMBEDDING, head);
    tensors.delete(HEAD);
    return config;
  }
  if (await areEqual(embedding, head)) return config;
  note(
    "lm_head.weight differs from the embedding, so it is used, whatever tie_word_embeddings says",
  );
  return { ...config, tieWordEmbeddings: false };
}

const EMBEDDING = "model.embed_tokens.weight";
const HEAD = "lm_head.weight";
/** Bytes of two tensors that are compared at once. */
const PIECE = 2 ** 24;

async function areEqual(one: StoredTensor, other: StoredTensor): Promise<boolean> {
  if (one.dtype !== other.dtype || one.bytes.size !== other.bytes.size) return false;
  for (let at = 0; at < one.bytes.size; at += PIECE) {
    const pieces = [one, other].map(({ bytes }) => bytes.slice(at, at + PIECE).arrayBuffer());
    const [a, b] = await Promise.all(pieces);
    if (Buffer.compare(Buffer.from(a), Buffer.from(b)) !== 0) return false;
  }
  return true;
}

/** Bytes of a text file; the largest tokenizers have a tenth of it. */
const LONGEST_TEXT = 2 ** 28;

async function textOf(file: Blob, path: string): Promise<string> {
  if (file.size > LONGEST_TEXT && Number.isFinite(file.size)) {
    throw new UserError(`${path} has ${file.size} bytes, far too many; get the model again`);
  }
  return file.text().catch((error) => {
    throw diskError(error, path);
  });
}

/** The text files of a folder that go with its weights. */
export async function textsIn(path: string): Promise<Record<string, string>> {
  const there = TEXT_FILES.filter((name) => existsSync(join(path, name)));
  const texts = there.map(async (name) => {
    const file = join(path, name);
    return [name, await textOf(fileBlob(file), file)];
  });
  return Object.fromEntries(await Promise.all(texts));
}

/** Opens a model folder on disk. */
export function openModelFolder(path: string, options: Wanted = {}) {
  if (!existsSync(path)) {
    throw new UserError(`${path}: no such model folder; check --model`);
  }
  const find = (name: string) => (existsSync(join(path, name)) ? fileBlob(join(path, name)) : null);
  return openModel(path, find, options);
}

/** What a folder of trained weights has of its model. */
export type ModelDescription = Pick<
  ModelFolder,
  "config" | "configText" | "files" | "sentencePiece"
>;

/** The files of a model folder, by name, as a model had them that others were trained from: all but the weights. */
export function descriptionFiles(model: ModelDescription): Record<string, string | Blob> {
  const { config, configText, files, sentencePiece } = model;
  return {
    ...files,
    ...(sentencePiece ? { [SENTENCE_PIECE]: sentencePiece } : {}),
    "config.json": trainedConfig(configText, config),
  };
}

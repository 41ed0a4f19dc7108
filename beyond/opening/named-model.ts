import { existsSync, statSync } from "node:fs";
import { UserError } from "../../lib/errors.ts";
import { openGgufModel } from "../gguf/open.ts";
import { isHubName } from "../hub/hub.ts";
import { hubModel } from "../hub/models.ts";
import { isLora, type LoraModel, openLora, readLoraConfig } from "../lora/peft.ts";
import { formatBytes } from "../memory/memory-plan.ts";
import { Prompter, type PromptSettings } from "../models/chat.ts";
import { openEmbeddedModel } from "../models/embedded.ts";
import { type EndTokens, endTokens } from "../models/end-tokens.ts";
import { type ModelFolder, openModelFolder, textsIn, type Wanted } from "../models/folder.ts";
import { closingToken } from "../models/lesson.ts";
import { Tokenizer, type TokenizerFiles } from "../models/tokenizer.ts";
import { modelPath } from "../runs/folder.ts";
import { EMBEDDED } from "../settings/shared.ts";
import { command } from "../terminal/program.ts";

/**
 * Opens what `--model` names: the embedded model, a GGUF file, a Hugging Face folder, a run's newest checkpoint,
 * or, where there is no such folder, a model of the Hugging Face hub. A folder with a LoRA opens
 * as its base model and the LoRA.
 * @param baseAt where an adapter's base lies, instead of where the adapter says
 */
export async function openNamedModel(
  name: string,
  options: Wanted = {},
  baseAt?: string,
): Promise<LoraModel> {
  if (name === EMBEDDED) return openEmbeddedModel(options);
  if (isGgufName(name)) return openGgufModel(name, options);
  if (!existsSync(name) && isHubName(name)) {
    const path = await hubModel(name, showDownload, options).catch((error) => {
      throw notHere(name, error);
    });
    return { ...(await openModelFolder(path, options)), source: name };
  }
  const path = modelPath(name);
  if (!isLora(path)) return openModelFolder(path, options);
  const { lora, base: named } = readLoraConfig(path);
  const base = baseAt ?? named;
  if (existsSync(base) && isLora(modelPath(base))) {
    throw new UserError(
      `${path} adapts ${base}, an adapter itself; merge that: ${command`merge ${base} --output-dir merged`}`,
    );
  }
  const model = await openNamedModel(base, options).catch((error) => {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${path} is an adapter, and its base cannot be opened: ${error.message}`);
  });
  const own = await textsIn(path);
  // a tokenizer of the adapter's own comes with its own template, or none
  const files = "tokenizer.json" in own ? own : { ...model.files, ...own };
  const generation = "generation_config.json";
  if (model.files[generation]) files[generation] ??= model.files[generation];
  const sentencePiece = "tokenizer.json" in own ? undefined : model.sentencePiece;
  return { ...model, files, sentencePiece, lora: await openLora(path, model.config, lora) };
}

/** Whether a model's name is that of a GGUF file; Ollama's have no ending. */
export const isGgufName = (name: string) =>
  name.endsWith(".gguf") || (statSync(name, { throwIfNoEntry: false })?.isFile() ?? false);

/** A name such as runs/data-1 may also be that of a folder, mistyped. */
function notHere(name: string, error: unknown): unknown {
  const [folder] = name.split("/");
  if (!(error instanceof UserError) || !existsSync(folder)) return error;
  return new UserError(`no such folder is in ${folder}, nor was a model found: ${error.message}`);
}

/** Tells of a download: on a terminal a line that counts up; elsewhere a line when a file is there. */
export function showDownload(file: string, done: number, total: number): void {
  const end = done === total ? "\n" : "";
  if (process.stderr.isTTY) {
    const share = Math.floor((100 * done) / total);
    process.stderr.write(`\rdownloading ${file}: ${share}% of ${formatBytes(total)} ${end}`);
  } else if (end) process.stderr.write(`downloaded ${file}, ${formatBytes(total)}\n`);
}

/** Refuses a model that is a LoRA where the model itself is to be trained. */
export function requireWhole(name: string, model: LoraModel): void {
  if (!model.lora) return;
  throw new UserError(
    `${name} is an adapter; make it a model first: ${command`merge ${name} --output-dir merged`}`,
  );
}

export function tokenizerOf(model: ModelFolder): Tokenizer {
  const { files, source, config } = model;
  return new Tokenizer(files as TokenizerFiles, source, config.vocabSize);
}

/** Turns questions into prompts for the model. What it does with one that has no chat template is noted. */
export function prompterOf(
  model: ModelFolder,
  settings: PromptSettings & { model: string; stop?: readonly string[] },
  note: (text: string) => void,
): Prompter {
  const prompter = new Prompter(model, tokenizerOf(model), settings);
  for (const text of model.notes ?? []) note(text);
  if (settings.model === EMBEDDED) return prompter;
  if (!prompter.hasTemplate) {
    const example = JSON.stringify(prompter.text({ question: "<question>" }));
    note(`${model.source} has no chat template: a prompt is ${example}`);
  }
  note(describeEnds(prompter, endTokens(model, prompter.tokenizer), settings.stop));
  return prompter;
}

/** Says which tokens end a completion, and whether the chat template closes a turn with another one. */
function describeEnds(
  prompter: Prompter,
  { ids, source }: EndTokens,
  stop: readonly string[] | undefined,
): string {
  const shown = (id: number) => prompter.tokenizer.decode([id], true);
  const stops = (stop ?? []).map((text) => `, or after ${JSON.stringify(text)} (--stop)`);
  const ends = `a completion ends with ${ids.map(shown).join(" or ")} (${source})${stops.join("")}`;
  const closing = closingToken(prompter);
  if (closing === null || ids.includes(closing) || !stop || stop.includes(shown(closing))) {
    return ends;
  }
  return `${ends}; the chat template ends a turn with ${shown(closing)}, where only --stop "${shown(closing)}" ends it`;
}

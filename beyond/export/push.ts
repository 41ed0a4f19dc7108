import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { fileBlob } from "#platform/files.ts";
import { UserError } from "../../lib/errors.ts";
import { type Environment, isHubName } from "../hub/hub.ts";
import { upload } from "../hub/upload.ts";
import { ADAPTER_CONFIG, isLora, readLoraConfig } from "../lora/peft.ts";
import { formatBytes } from "../memory/memory-plan.ts";
import { CARD } from "../models/card.ts";
import { MODEL_FILES } from "../models/folder.ts";
import { isGgufName } from "../opening/named-model.ts";
import { modelPath } from "../runs/folder.ts";
import type { ExportSettings } from "../settings/files.ts";

/** Weights, and what may have to go with them. */
const MORE =
  /^(model|adapter_model)[^/]*\.safetensors(\.index\.json)?$|^(LICEN[CS]E|NOTICE|USE_POLICY)/i;

/** `rlexplore export --push`: puts a model, or the GGUF file that was just written of it, onto the hub. */
export async function push(
  { model, gguf, ollama, push: name, public: isPublic }: PushSettings,
  env?: Environment,
): Promise<void> {
  const files = gguf ? ggufFiles(model, gguf, ollama) : modelFiles(model);
  const sizes = [...files.values()].reduce((sum, { size }) => sum + size, 0);
  console.log(`uploading ${files.size} files, ${formatBytes(sizes)}, to ${name}`);
  const visibility = isPublic ? "public" : "private";
  const title = `${basename(gguf ?? model)}, by rlexplore`;
  const done = await upload({ name, files, visibility, title }, CARD, env);
  const sent = [...files.keys()].filter((path) => !done.kept.includes(path));
  console.log(`${sent.join(", ")}: commit ${done.commit.slice(0, 7)}`);
  for (const path of done.kept) {
    console.log(
      `${path} there says something else and stays as it is; delete it there to have this one`,
    );
  }
  const seen = done.visibility ?? "which was there already and is as public or private as it was";
  console.log(`the model is at ${done.url}, ${seen}`);
}

export type PushSettings = Pick<ExportSettings, "model" | "gguf" | "ollama" | "public"> & {
  push: string;
};

/** @throws UserError if that cannot be pushed: before a GGUF file of it is written */
export function requirePushable({
  model,
  gguf,
  push: name,
}: Pick<PushSettings, "model" | "gguf" | "push">): void {
  if (!isHubName(name)) {
    throw new UserError(`--push takes a name on the hub, such as you/model, not ${name}`);
  }
  if (!gguf) namesIn(model);
}

/** The files of a model's folder that belong to the model. */
function namesIn(model: string): string[] {
  const path = modelPath(model);
  if (!existsSync(path) || isGgufName(path)) {
    throw new UserError(
      `--push takes a run or the folder of a model, or with --gguf any model; ${model} is neither`,
    );
  }
  const names = readdirSync(path).filter(
    (name) =>
      (MODEL_FILES.includes(name) || name === ADAPTER_CONFIG || MORE.test(name)) &&
      statSync(join(path, name)).isFile(),
  );
  if (names.some((name) => name.endsWith(".safetensors"))) return names.sort();
  throw new UserError(`${path} holds no weights to push; check the path`);
}

function modelFiles(model: string): Map<string, Blob> {
  const path = modelPath(model);
  const names = namesIn(model);
  const left = readdirSync(path).filter((name) => !names.includes(name));
  if (left.length > 0) console.log(`left out, being no part of the model: ${left.join(", ")}`);
  if (isLora(path)) {
    const { base } = readLoraConfig(path);
    if (!isHubName(base) || existsSync(base)) {
      console.log(
        `warning: the adapter names its base by a path of this machine (${base}), which no one else has; merge it first, or train on a model of the hub`,
      );
    }
  }
  return new Map(names.map((name) => [name, fileBlob(join(path, name))]));
}

/** The GGUF file, its Modelfile, and the card of the model it was made of. */
function ggufFiles(model: string, gguf: string, ollama: boolean): Map<string, Blob> {
  const files = new Map([[basename(gguf), fileBlob(gguf)]]);
  if (ollama) files.set("Modelfile", fileBlob(join(gguf, "..", "Modelfile")));
  const card = join(isGgufName(model) ? "" : modelPath(model), CARD);
  if (!isGgufName(model) && existsSync(card)) {
    const text = readFileSync(card, "utf8").replace(/^library_name: .*$/m, "library_name: gguf");
    files.set(CARD, new Blob([text]));
  }
  return files;
}

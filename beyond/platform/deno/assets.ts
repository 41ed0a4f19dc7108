import { fileURLToPath } from "node:url";
import { fileBlob } from "./files.ts";

const FILES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];

export function modelFile(name: string): Blob | null {
  if (!FILES.includes(name)) return null;
  return fileBlob(fileURLToPath(new URL(`../../../models/base/${name}`, import.meta.url)));
}

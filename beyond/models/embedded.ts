import config from "../../models/base/config.json" with { type: "file" };
import weights from "../../models/base/model.safetensors" with { type: "file" };
import tokenizer from "../../models/base/tokenizer.json" with { type: "file" };
import tokenizerConfig from "../../models/base/tokenizer_config.json" with { type: "file" };
import { type ModelFolder, openModel, type Wanted } from "./folder.ts";

const FILES: Record<string, unknown> = {
  "config.json": config,
  "model.safetensors": weights,
  "tokenizer.json": tokenizer,
  "tokenizer_config.json": tokenizerConfig,
};

/** Opens the small model inside the executable, which knows sums such as 23+7-4+9= and nothing else. */
export function openEmbeddedModel(options: Wanted = {}): Promise<ModelFolder> {
  const find = (name: string) => (name in FILES ? Bun.file(FILES[name] as string) : null);
  return openModel("the embedded model", find, options);
}

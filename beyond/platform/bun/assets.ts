import config from "../../../models/base/config.json" with { type: "file" };
import weights from "../../../models/base/model.safetensors" with { type: "file" };
import tokenizer from "../../../models/base/tokenizer.json" with { type: "file" };
import tokenizerConfig from "../../../models/base/tokenizer_config.json" with { type: "file" };

/** Paths, inside the executable once it is compiled. */
const FILES: Record<string, unknown> = {
  "config.json": config,
  "model.safetensors": weights,
  "tokenizer.json": tokenizer,
  "tokenizer_config.json": tokenizerConfig,
};

export const modelFile = (name: string): Blob | null =>
  name in FILES ? Bun.file(FILES[name] as string) : null;

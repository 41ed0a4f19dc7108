import config from "../../models/base/config.json" with { type: "text" };
import tokenizerJson from "../../models/base/tokenizer.json" with { type: "text" };
import tokenizerConfig from "../../models/base/tokenizer_config.json" with { type: "text" };

/** The files of the embedded model but its weights: a download puts them beside new ones. */
export const MODEL_TEXTS: Readonly<Record<string, string>> = {
  "config.json": String(config),
  "tokenizer.json": String(tokenizerJson),
  "tokenizer_config.json": String(tokenizerConfig),
};

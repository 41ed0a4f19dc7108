/** Which tokens end a completion: where sampling stops is what `sft` teaches. */
import { UserError } from "../../lib/errors.ts";
import type { ModelFolder } from "./folder.ts";
import { parseJson, type Tokenizer } from "./tokenizer.ts";

export interface EndTokens {
  ids: readonly number[];
  /** The file that names them. */
  source: string;
}

/**
 * The tokens that end a completion, from the first file that names any, as `generate` of transformers does:
 * generation_config.json, config.json, and then the tokenizer's own.
 */
export function endTokens(
  { config, files, source, isGguf }: Pick<ModelFolder, "config" | "files" | "source" | "isGguf">,
  tokenizer: Pick<Tokenizer, "eosId">,
): EndTokens {
  const name = "generation_config.json";
  const ids = [parseJson(files[name] ?? "{}", `${source}/${name}`).eos_token_id ?? []].flat();
  const isToken = (id: unknown): id is number =>
    Number.isInteger(id) && Number(id) >= 0 && Number(id) < config.vocabSize;
  const wrong = ids.find((id) => !isToken(id));
  if (wrong !== undefined) {
    throw new UserError(`${source}/${name}: ${wrong} in eos_token_id is no token of the model`);
  }
  const named: EndTokens[] = [
    { ids: ids.filter(isToken), source: name },
    { ids: config.eosTokenIds, source: isGguf ? "tokenizer.ggml.eos_token_id" : "config.json" },
    { ids: tokenizer.eosId === null ? [] : [tokenizer.eosId], source: "its tokenizer" },
  ];
  const first = named.find((found) => found.ids.length > 0);
  if (first) return { ...first, ids: [...new Set(first.ids)] };
  const fix = isGguf
    ? "make it with tokenizer.ggml.eos_token_id"
    : "add eos_token_id to its config.json";
  throw new UserError(`${source} names no end-of-text token; ${fix}`);
}

/** Models of the Hugging Face hub. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { MODEL_FILES, type Wanted, WEIGHTS } from "../models/folder.ts";
import { type Environment, HubRepo, type OnDownload } from "./hub.ts";

const INDEX = `${WEIGHTS}.index.json`;

/**
 * The folder of a hub model in the cache, downloaded if it is not there. A model that is there whole is used as
 * it is, without asking the hub: a run that is continued finds what it began with.
 */
export async function hubModel(
  name: string,
  onDownload: OnDownload,
  { weights = true }: Pick<Wanted, "weights"> = {},
  env?: Environment,
): Promise<string> {
  const repo = new HubRepo("model", name, env);
  const cached = repo.cached();
  const needed = weights === true;
  if (cached && isWhole(cached, needed)) return cached;
  const { commit, files } = await repo.list();
  // whole weights rather than shards
  const whole = files.some(({ path }) => path === WEIGHTS);
  const stored = whole
    ? /^model\.safetensors$/
    : /^model(-\d+-of-\d+)?\.safetensors(\.index\.json)?$/;
  const wanted = files.filter(
    ({ path }) => MODEL_FILES.includes(path) || (needed && stored.test(path)),
  );
  return repo.download({ commit, files: wanted }, onDownload);
}

/** Is every file of the model that is wanted there? */
function isWhole(snapshot: string, weights: boolean): boolean {
  const has = (name: string) => existsSync(join(snapshot, name));
  if (!has("config.json") || !has("tokenizer.json")) return false;
  if (!weights || has(WEIGHTS)) return true;
  if (!has(INDEX)) return false;
  try {
    const { weight_map } = JSON.parse(readFileSync(join(snapshot, INDEX), "utf8"));
    return Object.values(weight_map).every((shard) => has(String(shard)));
  } catch {
    return false;
  }
}

import { watched } from "#platform/watchdog.ts";
import { UserError } from "../../lib/errors.ts";
import { openSafetensors, type StoredTensor } from "./safetensors.ts";

/**
 * Opens the shards that a `model.safetensors.index.json` names: {"weight_map": {tensor: file name}}. The
 * index is believed in nothing that the shards do not bear out, and names no file outside the folder.
 */
export async function openShards(
  index: string,
  find: (name: string) => Blob | null,
  source: string,
): Promise<Map<string, StoredTensor>> {
  const path = `${source}/model.safetensors.index.json`;
  const fail = (why: string) => new UserError(`${path} ${why}; copy or download the model again`);
  let map: unknown;
  try {
    map = watched(path, () => JSON.parse(index).weight_map);
  } catch {
    throw fail("is not a JSON object");
  }
  if (typeof map !== "object" || map === null) throw fail("has no weight_map");
  const shards = new Map<string, Map<string, StoredTensor>>();
  const tensors = new Map<string, StoredTensor>();
  for (const [name, shard] of Object.entries(map)) {
    if (typeof shard !== "string" || !/^[^./\\][^/\\]*$/.test(shard)) {
      throw fail(`puts ${name} in ${JSON.stringify(shard)}, which is not a file of the folder`);
    }
    let opened = shards.get(shard);
    if (!opened) {
      const file = find(shard);
      if (!file) throw fail(`puts ${name} in ${shard}, which is not there`);
      opened = await openSafetensors(file, `${source}/${shard}`);
      shards.set(shard, opened);
    }
    const tensor = opened.get(name);
    if (!tensor) throw fail(`puts ${name} in ${shard}, which does not have it`);
    tensors.set(name, tensor);
  }
  for (const [shard, opened] of shards) {
    for (const name of opened.keys()) {
      if (!tensors.has(name)) throw fail(`does not list ${name} of ${shard}`);
    }
  }
  return tensors;
}

import { resolve } from "node:path";
import { z } from "zod";
import { sha256 } from "#platform/hash.ts";
import { UserError } from "../../lib/errors.ts";
import type { PackedRows } from "../datasets/packed.ts";
import type { LoraModel } from "../lora/peft.ts";
import { hashOf } from "../own/code.ts";
import { type OwnSettings, ownFilesOf } from "../own/file.ts";

/** SHA-256, in hexadecimal, of what a run was begun with. */
export const Origins = z.object({
  /** The rows of the data, in their order. */
  data: z.string(),
  rows: z.int(),
  /** The model's files and tensors, as they are without training. */
  model: z.string(),
  /** The user's own code, by the path of each file. */
  own: z.record(z.string(), z.string()).default({}),
});
export type Origins = z.infer<typeof Origins>;

export async function originsOf(
  rows: Pick<PackedRows, "hash" | "length">,
  model: Pick<LoraModel, "files" | "tensors" | "lora">,
  settings: OwnSettings,
): Promise<Origins> {
  return {
    data: rows.hash(),
    rows: rows.length,
    model: await modelHash(model),
    own: Object.fromEntries(ownFilesOf(settings).map(({ path }) => [resolve(path), hashOf(path)])),
  };
}

async function modelHash({ files, tensors, lora }: Parameters<typeof originsOf>[1]) {
  const hash = sha256().update(JSON.stringify(files));
  for (const [name, { dtype, shape, bytes }] of [...tensors, ...(lora?.tensors ?? [])]) {
    hash.update(JSON.stringify([name, dtype, shape]));
    for await (const piece of bytes.stream()) hash.update(piece);
  }
  return hash.digest();
}

/**
 * Compares what a run goes on with and what it was begun with.
 * @param before undefined for a run of version 0.1.0
 * @throws UserError if data or model are others: counts, order and weights would be of neither
 */
export function requireSameOrigins(
  before: Origins | undefined,
  now: Origins,
  named: { data: string; model: string },
  note: (text: string) => void,
): void {
  if (!before) {
    note("an older version began this run: whether data and model are the same is not known");
    return;
  }
  const changed = (what: string) =>
    new UserError(
      `${what} not what this run was begun with; put it back, or start another run from a checkpoint: --model <run>`,
    );
  if (now.data !== before.data) {
    throw changed(`${named.data} (${now.rows} rows, ${before.rows} then) is`);
  }
  if (now.model !== before.model) throw changed(`the model ${named.model} is`);
  for (const [path, hash] of Object.entries(now.own)) {
    if (hash === before.own[path]) continue;
    const what =
      path in before.own
        ? "was changed since this run began"
        : "may have changed, for this run was begun without its hash";
    note(`warning: ${path} ${what}: later steps may not go by what earlier ones did`);
  }
}

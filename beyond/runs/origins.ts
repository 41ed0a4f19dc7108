import { basename, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
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
  /** That code where it was changed since: as it was for the steps after `after`, up to the next change. */
  ownLater: z
    .array(z.object({ after: z.int(), own: z.record(z.string(), z.string()) }))
    .default([]),
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
    own: ownHashes(settings),
    ownLater: [],
  };
}

/** Of the user's own code that settings name, by absolute path. */
export const ownHashes = (settings: OwnSettings): Origins["own"] =>
  Object.fromEntries(ownFilesOf(settings).map(({ path }) => [resolve(path), hashOf(path)]));

/** Of a model as it is without training. */
export async function modelHash({
  files,
  tensors,
  lora,
}: Parameters<typeof originsOf>[1]): Promise<string> {
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
 * @param another what can be started where something cannot be put back
 * @throws UserError if data or model are others: counts, order and weights would be of neither
 */
export function requireSameOrigins(
  before: Origins | undefined,
  now: Origins,
  named: { data: string; model: string },
  note: (text: string) => void,
  another = "another run from a checkpoint: --model <run>",
): void {
  if (!before) {
    note("an older version began this run: whether data and model are the same is not known");
    return;
  }
  const changed = (what: string) =>
    new UserError(`${what} not what this run was begun with; put it back, or start ${another}`);
  if (now.data !== before.data) {
    throw changed(`${named.data} (${now.rows} rows, ${before.rows} then) is`);
  }
  if (now.model !== before.model) throw changed(`the model ${named.model} is`);
  for (const [path, hash] of Object.entries(now.own)) {
    // the file may lie elsewhere now, under another name
    const versions = [before, ...before.ownLater].map(({ own }) => own);
    if (versions.every((own) => Object.values(own).includes(hash))) continue;
    const what =
      hashIn(before.own, path) !== undefined
        ? "was changed since this run began"
        : "may have changed, for this run was begun without its hash";
    note(`warning: ${path} ${what}: later steps may not go by what earlier ones did`);
  }
}

/** The hash of a file that may lie elsewhere now. */
export const hashIn = (own: Origins["own"], path: string): string | undefined =>
  own[path] ?? Object.entries(own).find(([known]) => basename(known) === basename(path))?.[1];

/** What is kept of a run that goes on after `step` steps: what those were made with, and what later ones are. */
export function originsFrom(before: Origins | undefined, now: Origins, step: number): Origins {
  // older versions did not keep the hashes of own code
  const isKnown = before && Object.keys(before.own).length > 0;
  if (!isKnown || step === 0) return now;
  // steps after this one are done again
  const ownLater = before.ownLater.filter(({ after }) => after < step);
  const last = ownLater.at(-1)?.own ?? before.own;
  const hashes = (own: Origins["own"]) => Object.values(own).sort();
  if (!isDeepStrictEqual(hashes(last), hashes(now.own))) {
    ownLater.push({ after: step, own: now.own });
  }
  // the same files may lie elsewhere now
  return ownLater.length === 0 ? now : { ...before, ownLater };
}

import type { Gpu } from "../gpu/device.ts";
import { requestedMatmul, type TuningTable } from "../gpu/variants.ts";
import {
  formatChoice,
  knownChoices,
  type MatmulShape,
  matmulChoice,
  shapeKey,
} from "../model/ops/matmuls.ts";
import type { Tune } from "../policy/policy.ts";
import { KeptTuning, tunedFor } from "./kept.ts";
import { searchMatmuls } from "./search.ts";

/** Seconds that a search on first use may take. */
const SEARCH_SECONDS = 4;

export interface TuningWish {
  /** Nothing is searched for, and nothing that was found is used. */
  noTune: boolean;
  /** What the run that goes on was begun with. */
  begun?: RunTuning;
}

/** What a run keeps of it in its `config.json`. */
export interface RunTuning {
  adapter?: { name?: unknown };
  /** Runs of older versions have none. */
  tuning?: TuningTable;
}

/**
 * Which table is in force. A run that goes on has its own, whatever was found since, unless it does so on
 * another adapter. Otherwise it is what is kept for the adapter; a real GPU is tuned for what is missing, on
 * first use, and a software adapter only by `rlexplore gpu --tune`, so that its output is the same on
 * every machine. The rest is built in. The table that comes out has every shape.
 */
export const tuneFor =
  (gpu: Gpu, { noTune, begun }: TuningWish, note: (text: string) => void): Tune =>
  async (shapes) => {
    const built = tableOf(gpu, shapes, {});
    const forced = requestedMatmul();
    if (forced) {
      note(`every matrix product by the ${forced} matmul: RLEXPLORE_MATMUL`);
      return built;
    }
    if (begun) {
      const { adapter, tuning } = begun;
      if (adapter?.name === gpu.found.name) {
        const known = knownChoices(tuning, gpu.device);
        const unknown = Object.keys(tuning ?? {}).length - Object.keys(known).length;
        if (unknown > 0) {
          note(
            `${unknown} kernels of the run are not there any more: it goes on with other rounding`,
          );
        }
        return tableOf(gpu, shapes, known);
      }
      note(`begun on ${adapter?.name}: the run goes on with other rounding`);
    }
    if (noTune) return built;
    const kept = new KeptTuning(tunedFor(gpu.found));
    const table = knownChoices(kept.read().table, gpu.device);
    const missing = shapes.filter((shape) => table[shapeKey(shape)] === undefined);
    if (gpu.isSoftware || missing.length === 0) return tableOf(gpu, shapes, table);
    const began = performance.now();
    const tuned = await searchMatmuls(gpu, missing, SEARCH_SECONDS, note);
    const found = Object.fromEntries(
      tuned.map(({ shape, choice }) => [shapeKey(shape), formatChoice(choice)]),
    );
    const path = kept.add(found);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    const where = path ? `kept in ${path}` : "the cache folder cannot be written: not kept";
    note(`tuned ${missing.length} matrix products for ${gpu.found.name}: ${seconds} s, ${where}`);
    return tableOf(gpu, shapes, { ...table, ...found });
  };

/** The choice for each shape, built-in ones where a table says nothing. */
function tableOf(gpu: Gpu, shapes: readonly MatmulShape[], tuned: TuningTable): TuningTable {
  const entries = shapes.map((shape) => {
    const choice = matmulChoice({ ...gpu.variants, tuned }, shape);
    return [shapeKey(shape), formatChoice(choice)];
  });
  return Object.fromEntries(entries);
}

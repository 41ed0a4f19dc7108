import { attentionKey, formatAttention } from "../kernels/attention-choice.ts";
import { formatChoice, shapeKey } from "../kernels/matmuls.ts";
import { requestedAttention, requestedMatmul, type TuningTable } from "../kernels/variants.ts";
import type { Tune } from "../opening/policy.ts";
import type { SystemGpu } from "../platform/gpu.ts";
import { KeptTuning, tunedFor } from "./kept.ts";
import type { KernelShapes } from "./kernel-shapes.ts";
import { isAttention, knownChoices, tableOf } from "./table.ts";

export interface TuningWish {
  /** Nothing is searched for, and nothing that was found is used. */
  noTune: boolean;
  /** What the run that goes on was begun with. */
  begun?: RunTuning;
  /** That a search on first use may take. */
  seconds?: number;
}

/** What a run keeps of it in its `config.json`. */
export interface RunTuning {
  adapter?: { name?: unknown };
  /** Runs of older versions have none. */
  tuning?: TuningTable;
}

type Note = (text: string) => void;

/**
 * Which table is in force. A run that goes on has its own, whatever was found since, unless it does so on
 * another adapter. Otherwise it is what is kept for the adapter; a real GPU is tuned for what is missing, on
 * first use, and a software adapter only by `rlexplore gpu --tune`, so that its output is the same on
 * every machine. What the environment asks for comes before all of this, and the rest is built in. The table
 * that comes out has every shape. The search, and its oracles, are loaded only where it takes place.
 */
export const tuneFor =
  (gpu: SystemGpu, wish: TuningWish, note: Note): Tune =>
  async (shapes) => {
    if (gpu.variants.isPlain) {
      note("kernels: plain, the shaders of the core alone");
      return {};
    }
    const forced = { matmul: requestedMatmul(), attention: requestedAttention() };
    for (const [op, kernel] of Object.entries(forced)) {
      if (kernel) note(`${op}: ${kernel} wherever it can, as RLEXPLORE_${op.toUpperCase()} says`);
    }
    const isFree = (key: string) => !(isAttention(key) ? forced.attention : forced.matmul);
    const table = await tableFor(gpu, wish, shapes, isFree, note);
    const free = Object.entries(table).filter(([key]) => isFree(key));
    return tableOf(gpu, shapes, Object.fromEntries(free));
  };

async function tableFor(
  gpu: SystemGpu,
  { noTune, begun, seconds: limit = 5 }: TuningWish,
  shapes: KernelShapes,
  isFree: (key: string) => boolean,
  note: Note,
): Promise<TuningTable> {
  if (begun?.adapter?.name === gpu.found.name) {
    const known = knownChoices(begun.tuning, gpu);
    const unknown = Object.keys(begun.tuning ?? {}).length - Object.keys(known).length;
    if (unknown > 0) {
      const lost = `${unknown} kernels of the run are not there any more, or not on this device`;
      note(`${lost}: it goes on with other rounding`);
    }
    return known;
  }
  if (begun) note(`begun on ${begun.adapter?.name}: the run goes on with other rounding`);
  if (noTune) return {};
  const kept = new KeptTuning(tunedFor(gpu.found));
  const table = knownChoices(kept.read().table, gpu);
  if (gpu.isSoftware) return table;
  const isMissing = (key: string) => table[key] === undefined && isFree(key);
  const products = shapes.products.filter((shape) => isMissing(shapeKey(shape)));
  const attention = isMissing(attentionKey(shapes.attention)) ? shapes.attention : null;
  if (products.length === 0 && !attention) return table;
  const began = performance.now();
  const found: Record<string, string> = {};
  const unmeasured: Record<string, string> = {}; // not kept: a later run has time for them
  if (attention) {
    const half = { seconds: limit / 2 };
    const { searchAttention } = await import("./attention.ts");
    const { times, choice } = await searchAttention(gpu, attention, note, half);
    (times.length > 0 ? found : unmeasured)[attentionKey(attention)] = formatAttention(choice);
  }
  const left = limit - (performance.now() - began) / 1000;
  const { searchMatmuls } = await import("./search.ts");
  for (const { shape, timings, choice } of await searchMatmuls(gpu, products, left, note)) {
    (timings.length > 0 ? found : unmeasured)[shapeKey(shape)] = formatChoice(choice);
  }
  const path = kept.add(found);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const where = path ? `kept in ${path}` : "not kept: no cache folder can be written";
  const later = Object.keys(unmeasured).length;
  const rest = later > 0 ? `; ${later} shapes are left for later runs` : "";
  note(`tuned for ${gpu.found.name} (--no-tune does without): ${seconds} s, ${where}${rest}`);
  return { ...table, ...found, ...unmeasured };
}

import { UserError } from "../../lib/errors.ts";
import { attentionKey, formatAttention } from "../kernels/attention-choice.ts";
import { formatChoice, ROW_CLASSES, shapeKey } from "../kernels/matmuls.ts";
import { requestedAttention, requestedMatmul } from "../kernels/variants.ts";
import { trainingNeeds } from "../memory/memory-plan.ts";
import { openNamedModel } from "../opening/named-model.ts";
import type { SystemGpu } from "../platform/gpu.ts";
import { trainSettings } from "../settings/arguments.ts";
import { baseFormats } from "../storage/base-formats.ts";
import { type Dtype, requireDtype } from "../storage/precision.ts";
import { ATTENTION_WORK, searchAttention, type TunedAttention } from "./attention.ts";
import type { Candidate } from "./candidates.ts";
import { KeptTuning, tunedFor } from "./kept.ts";
import { kernelShapes } from "./kernel-shapes.ts";
import { searchMatmuls, type TunedShape } from "./search.ts";
import { knownChoices } from "./table.ts";

/** Lines of a table that are shown. */
const SHOWN = 8;

/** The table in force on an adapter, in a few lines. */
export function keptLines(gpu: SystemGpu): string[] {
  const { path, table } = new KeptTuning(tunedFor(gpu.found)).read();
  const entries = Object.entries(knownChoices(table, gpu));
  if (path === null || entries.length === 0) {
    return [gpu.isSoftware ? "no: by rlexplore gpu --tune alone" : "on first use of a model"];
  }
  const width = Math.max(...entries.map(([key]) => key.length)) + 2;
  const shown = entries.slice(0, SHOWN).map(([key, choice]) => key.padEnd(width) + choice);
  const more = entries.length > SHOWN ? [`and ${entries.length - SHOWN} more`] : [];
  return [`${entries.length} shapes, in ${path}`, ...shown, ...more];
}

/**
 * `rlexplore gpu --tune`: measures every way to compute attention and to make the products of a model, in
 * training and as one that is not trained, shows the rates, and keeps what was chosen.
 */
export async function tuneAdapter(
  gpu: SystemGpu,
  settings: { model: string; dtype: Dtype },
  print: (line: string) => void,
): Promise<void> {
  if (requestedMatmul() || requestedAttention()) {
    throw new UserError(
      "--tune chooses among all kernels: unset RLEXPLORE_MATMUL and RLEXPLORE_ATTENTION",
    );
  }
  requireDtype(gpu, settings.dtype);
  const { products, attention } = await shapesOf(gpu, settings);
  const began = performance.now();
  print(`\nattention of ${settings.model}, in milliseconds; * is chosen`);
  const tuned = await searchAttention(gpu, attention, print);
  for (const line of attentionLines(tuned)) print(line);
  const found: Record<string, string> = {};
  if (tuned.times.length > 0) found[attentionKey(attention)] = formatAttention(tuned.choice);
  print(`\n${products.length} matrix products, in GFLOP/s by rows; * is chosen`);
  await searchMatmuls(gpu, products, Number.POSITIVE_INFINITY, print, (tuned) => {
    for (const line of shapeLines(tuned)) print(line);
    if (tuned.timings.length > 0) found[shapeKey(tuned.shape)] = formatChoice(tuned.choice);
  });
  const path = new KeptTuning(tunedFor(gpu.found)).add(found);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  print(`\n${seconds} s, ${path ? `kept in ${path}` : "not kept: no cache folder can be written"}`);
}

async function shapesOf(gpu: SystemGpu, { model, dtype }: { model: string; dtype: Dtype }) {
  const { config, tensors, lora } = await openNamedModel(model, {
    weights: "if there",
    tokenizer: false,
  });
  const settings = trainSettings(["-", "--model", model, "--dtype", dtype], () => ({}));
  const needs = trainingNeeds({ ...settings, maxCompletionLength: 1 }, 1);
  const formats = baseFormats({ baseDtype: "auto", dtype }, tensors);
  const frozen = { dtype, sampling: needs.sampling, formats };
  const trained = kernelShapes(config, gpu, needs, null);
  const frozenProducts = kernelShapes(config, gpu, frozen, lora?.config ?? null).products;
  const products = new Map(
    [...trained.products, ...frozenProducts].map((shape) => [shapeKey(shape), shape]),
  );
  return { products: [...products.values()], attention: trained.attention };
}

/** A row for each way to compute attention, a column for each kind of work. */
function attentionLines({ shape, times, choice }: TunedAttention): string[] {
  const rows = times.map(([way, seconds]) => {
    const mark = formatAttention(way) === formatAttention(choice) ? "*" : " ";
    const cells = seconds.map((one) => `${(1000 * one).toPrecision(3)}${mark}`.padStart(11));
    return `  ${formatAttention(way).padEnd(12)}${cells.join("")}`.trimEnd();
  });
  const heads = ATTENTION_WORK.map((name) => `${name} `.padStart(11))
    .join("")
    .trimEnd();
  return ["", attentionKey(shape), `  ${"".padEnd(12)}${heads}`, ...rows];
}

/** A row for each way to make a product, a column for each row class by the most rows it has. */
export function shapeLines({ shape, timings, choice }: TunedShape): string[] {
  const nameOf = ({ family, tile }: Candidate) => `${family.name} ${tile.name}`;
  const ways = [...new Map(timings.map((timing) => [nameOf(timing), timing])).values()];
  const width = Math.max(0, ...ways.map((way) => nameOf(way).length));
  const line = (name: string, cells: string[]) =>
    `  ${name.padEnd(width)}${cells.map((cell) => cell.padStart(10)).join("")}`.trimEnd();
  const heads = ROW_CLASSES.map((rows) => (Number.isFinite(rows) ? `${rows} ` : "more "));
  const rows = ways.map((way) => {
    const cells = ROW_CLASSES.map((_, rowClass) => {
      const one = timings.find(
        (timing) => nameOf(timing) === nameOf(way) && timing.rowClass === rowClass,
      );
      const isChosen = choice.family === way.family && choice.tiles[rowClass] === way.tile;
      return one ? `${(one.flops / 1e9).toPrecision(3)}${isChosen ? "*" : " "}` : "";
    });
    return line(nameOf(way), cells);
  });
  return ["", shapeKey(shape), line("rows", heads), ...rows];
}

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { tensorShapes } from "../../lib/model/parameters.ts";
import { BLOCK_FORMATS } from "../gguf/quantized.ts";
import { type LoraConfig, loraNames } from "../lora/lora.ts";
import { CARD } from "../models/card.ts";
import { descriptionFiles, WEIGHTS } from "../models/folder.ts";
import {
  encodeSafetensors,
  readTensor,
  type StoredTensor,
  type TensorSource,
} from "../models/safetensors.ts";
import { openNamedModel } from "../opening/named-model.ts";
import { diskError, writeDurably } from "../platform/files.ts";
import { modelPath } from "../runs/folder.ts";
import type { MergeSettings } from "../settings/files.ts";
import { mergedCard } from "./card.ts";

/** `rlexplore merge`: a LoRA run, or a folder with a LoRA, as a model that needs none. */
export async function merge({ model: name, outputDir }: MergeSettings): Promise<void> {
  if (existsSync(outputDir))
    throw new UserError(`${outputDir} is there already; name a new folder`);
  const model = await openNamedModel(name);
  const { lora } = model;
  if (!lora) throw new UserError(`${name} is a whole model already: there is nothing to merge`);
  const sources = Array.from(tensorShapes(model.config), ([tensor, shape]): TensorSource => {
    const data = () => mergedTensor(model.tensors, lora.tensors, lora.config, tensor);
    return { name: tensor, shape, data };
  });
  const partial = `${outputDir}.partial`;
  try {
    rmSync(partial, { recursive: true, force: true });
    mkdirSync(partial, { recursive: true });
    for (const [file, content] of Object.entries(descriptionFiles(model))) {
      await writeDurably(join(partial, file), [await new Blob([content]).bytes()]);
    }
    const told = join(modelPath(name), CARD);
    const adapterCard = existsSync(told) ? readFileSync(told, "utf8") : null;
    const card = mergedCard(adapterCard, model.source, basename(outputDir));
    await writeDurably(join(partial, CARD), [new TextEncoder().encode(card)]);
    await writeDurably(join(partial, WEIGHTS), encodeSafetensors(sources));
    renameSync(partial, outputDir);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    throw diskError(error, outputDir);
  }
  const blocks = [...model.tensors.values()].some(({ dtype }) => dtype in BLOCK_FORMATS);
  const base = blocks ? `, in float32 from the dequantised weights of ${model.source}` : "";
  console.log(`the merged model is in ${outputDir}${base}`);
}

/** W + alpha / rank B A of one tensor, summed in float64; the tensor itself if it is not adapted. */
export async function mergedTensor(
  base: Map<string, StoredTensor>,
  lora: Map<string, StoredTensor>,
  { rank, alpha }: LoraConfig,
  name: string,
): Promise<Float32Array> {
  const w = await readTensor(base, name);
  const names = loraNames(name);
  if (!lora.has(names.a)) return w;
  const a = await readTensor(lora, names.a);
  const b = await readTensor(lora, names.b);
  const columns = a.length / rank;
  const row = new Float64Array(columns);
  for (let start = 0, at = 0; start < w.length; start += columns, at += rank) {
    row.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = (alpha / rank) * b[at + r];
      const first = r * columns;
      for (let i = 0; i < columns; i++) row[i] += factor * a[first + i];
    }
    for (let i = 0; i < columns; i++) w[start + i] += row[i];
  }
  return w;
}

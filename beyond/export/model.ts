import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { modelTensors } from "../../lib/model/parameters.ts";
import { ropeFactors } from "../gguf/config.ts";
import { ggufArchitecture, metadataOf } from "../gguf/describe.ts";
import { interleavedHeads, ROPE_FACTORS, reorderRows } from "../gguf/names.ts";
import { encodeGguf, type GgufTensorSource } from "../gguf/write.ts";
import { formatBytes } from "../memory/memory-plan.ts";
import type { WrittenType } from "../models/dtypes.ts";
import type { ModelFolder } from "../models/folder.ts";
import { readTensor } from "../models/safetensors.ts";
import { openNamedModel, requireWhole } from "../opening/named-model.ts";
import { writeNew } from "../platform/files.ts";
import { runOf } from "../runs/folder.ts";
import type { ExportSettings } from "../settings/files.ts";
import { type Asking, modelfile } from "./ollama.ts";
import { exportedTypes, FILE_TYPE, type TypeOf } from "./types.ts";

/** `rlexplore export --gguf`: writes a model as a GGUF file, for llama.cpp and Ollama. */
export async function exportModel(
  settings: Pick<ExportSettings, "model" | "type"> & { gguf: string; ollama?: boolean },
): Promise<void> {
  const { gguf: path, type, ollama } = settings;
  if (existsSync(path)) throw new UserError(`${path} already exists; choose another --gguf`);
  const beside = join(dirname(path), "Modelfile");
  if (ollama && existsSync(beside)) {
    throw new UserError(
      `${beside} already exists; choose a --gguf in another folder, or delete it`,
    );
  }
  const model = await openNamedModel(settings.model);
  requireWhole(settings.model, model);
  const typeOf = await exportedTypes(settings, (text) => console.log(text));
  const tensors = ggufTensors(model, typeOf);
  const name = basename(settings.model);
  const asking = runOf(settings.model)?.readConfig<Asking>("check the run").settings ?? null;
  const described = ollama ? modelfile(model, path, asking) : null;
  const pieces = encodeGguf(metadataOf(model, name, FILE_TYPE[mostOf(tensors)]), tensors);
  const { bytes } = await writeNew(path, pieces);
  console.log(`${path}: ${formatBytes(bytes)}, ${type === "source" ? "types as they were" : type}`);
  if (!described) return;
  await writeNew(beside, [new TextEncoder().encode(described.text)]);
  console.log(`${beside}: ollama create ${ollamaName(name)} -f ${beside}`);
  for (const note of described.notes) console.log(note);
}

/** A name that Ollama takes, from one of a folder or a file. */
const ollamaName = (name: string) =>
  name
    .replace(/\.gguf$/, "")
    .replace(/[^\w.-]+/g, "-")
    .toLowerCase() || "model";

/** The type of the most weights. */
function mostOf(tensors: readonly GgufTensorSource[]): WrittenType {
  const weights = new Map<WrittenType, number>();
  for (const { type, shape } of tensors) {
    const count = shape.reduce((a, b) => a * b, 1);
    weights.set(type, (weights.get(type) ?? 0) + count);
  }
  return [...weights].reduce((most, one) => (one[1] > most[1] ? one : most))[0];
}

/** The model's tensors as GGUF has them. */
function ggufTensors({ config, tensors }: ModelFolder, typeOf: TypeOf): GgufTensorSource[] {
  const architecture = ggufArchitecture(config);
  const sources = modelTensors(config).map(({ name, gguf, shape }): GgufTensorSource => {
    const heads = interleavedHeads(name, architecture, config);
    return {
      name: gguf,
      shape,
      type: typeOf(name, shape),
      data: async () => {
        const values = await readTensor(tensors, name);
        return heads ? reorderRows(values, shape[0], heads, true) : values;
      },
    };
  });
  const factors = ropeFactors(config);
  if (!factors) return sources;
  const shape = [factors.length];
  return [...sources, { name: ROPE_FACTORS, shape, type: "F32", data: () => factors }];
}

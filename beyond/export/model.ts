import { existsSync } from "node:fs";
import { basename } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { modelTensors } from "../../lib/model/parameters.ts";
import { ropeFactors } from "../gguf/config.ts";
import { ggufArchitecture, metadataOf } from "../gguf/describe.ts";
import { interleavedHeads, ROPE_FACTORS, reorderRows } from "../gguf/names.ts";
import { encodeGguf, type GgufTensorSource } from "../gguf/write.ts";
import { formatBytes } from "../memory/memory-plan.ts";
import type { ModelFolder } from "../models/folder.ts";
import { readTensor } from "../models/safetensors.ts";
import { openNamedModel, requireWhole } from "../opening/named-model.ts";
import { writeNew } from "../platform/files.ts";
import type { ExportSettings } from "../settings/files.ts";

/** llama.cpp's numbers of what a file mostly consists of. */
const FILE_TYPE = { f16: 1, q8_0: 7 } as const;

/** `rlexplore export --gguf`: writes a model as a GGUF file, for llama.cpp and Ollama. */
export async function exportModel(
  settings: Pick<ExportSettings, "model" | "type"> & { gguf: string },
): Promise<void> {
  const { gguf: path, type } = settings;
  if (existsSync(path)) throw new UserError(`${path} already exists; choose another --gguf`);
  const model = await openNamedModel(settings.model);
  requireWhole(settings.model, model);
  const name = basename(settings.model);
  const pieces = encodeGguf(metadataOf(model, name, FILE_TYPE[type]), ggufTensors(model, type));
  const { bytes } = await writeNew(path, pieces);
  console.log(`${path}: ${formatBytes(bytes)}, ${type}`);
}

/** The model's tensors as GGUF has them: vectors in full, matrices of the type wanted where rows allow it. */
export function ggufTensors(model: ModelFolder, type: ExportSettings["type"]): GgufTensorSource[] {
  const { config, tensors } = model;
  const architecture = ggufArchitecture(config);
  const sources = modelTensors(config).map(({ name, gguf, shape }): GgufTensorSource => {
    const heads = interleavedHeads(name, architecture, config);
    const small = type === "f16" || shape[1] % 32 !== 0 ? "F16" : "Q8_0";
    return {
      name: gguf,
      shape,
      type: shape.length === 1 ? "F32" : small,
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

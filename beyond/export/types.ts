/** Which type each matrix of a GGUF file gets. */
import { UserError } from "../../lib/errors.ts";
import { openGgufModel } from "../gguf/open.ts";
import { BLOCK_FORMATS } from "../gguf/quantized.ts";
import { WRITTEN_TYPES, type WrittenType } from "../models/dtypes.ts";
import type { StoredTensor } from "../models/safetensors.ts";
import { isGgufName } from "../opening/named-model.ts";
import { runOf } from "../runs/folder.ts";
import type { ExportSettings } from "../settings/files.ts";

/** llama.cpp's numbers of what a file mostly consists of. */
export const FILE_TYPE: Record<WrittenType, number> = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q8_0: 7,
  Q5_0: 8,
  Q5_1: 9,
  BF16: 32,
};

/** The type of a tensor by its Hugging Face name. */
export type TypeOf = (name: string, shape: readonly number[]) => WrittenType;

/** Embedding and head, one matrix where they are tied. */
const TABLE = /embed_tokens|lm_head/;
const EMBEDDING = "model.embed_tokens.weight";

/**
 * Vectors stay in float32. Under the types of 4 bits embedding and head are q8_0: they lose the most, and
 * llama.cpp keeps more of them too.
 * @param note is told of what cannot be as it was
 */
export async function exportedTypes(
  { model, type }: Pick<ExportSettings, "model" | "type">,
  note: (text: string) => void,
): Promise<TypeOf> {
  const wanted =
    type === "source"
      ? typesAsIn((await openGgufModel(ggufOf(model))).tensors, note)
      : (name: string) => {
          const small = type.startsWith("q4") && TABLE.test(name) ? "q8_0" : type;
          return small.toUpperCase() as WrittenType;
        };
  return (name, shape) => {
    if (shape.length === 1) return "F32";
    const written = wanted(name);
    const { elements } = BLOCK_FORMATS[written] ?? { elements: 1 };
    return shape[1] % elements === 0 ? written : "F16";
  };
}

/** The GGUF file that a model is, or that its run, or the run before that, began with. */
function ggufOf(model: string): string {
  for (let name = model; ; ) {
    if (isGgufName(name)) return name;
    const before = runOf(name)?.readConfig<{ model: string }>("choose another --type").settings;
    if (!before) {
      throw new UserError(
        `--type source: ${name} is no GGUF file, and no run that began with one; choose another --type`,
      );
    }
    name = before.model;
  }
}

/** As that file has them; q8_0, the nearest that loses less, for the types that are not written here. */
export function typesAsIn(
  tensors: ReadonlyMap<string, StoredTensor>,
  note: (text: string) => void,
) {
  const isWritten = (type: string): type is WrittenType =>
    (WRITTEN_TYPES as readonly string[]).includes(type);
  const others = [...tensors.values()].map(({ dtype }) => dtype).filter((type) => !isWritten(type));
  if (others.length > 0) {
    const names = [...new Set(others)].join(" and ");
    note(`${others.length} tensors of type ${names}, which are not written here, become Q8_0`);
  }
  return (name: string): WrittenType => {
    // a head that training has untied was the embedding
    const { dtype } = tensors.get(name) ?? (tensors.get(EMBEDDING) as StoredTensor);
    return isWritten(dtype) ? dtype : "Q8_0";
  };
}

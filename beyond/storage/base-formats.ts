import type { MatrixFormats } from "../../lib/model/parameters.ts";
import type { StoredTensor } from "../models/safetensors.ts";
import type { Dtype } from "./precision.ts";
import { FROZEN_FORMATS, WEIGHT_FORMATS, type WeightFormat } from "./weight-formats.ts";

/** What `--base-dtype` takes. */
export const BASE_DTYPES = ["auto", "f32", ...FROZEN_FORMATS] as const;
export type BaseDtype = (typeof BASE_DTYPES)[number];

/** Embedding and head, one matrix where they are tied. */
const TABLE = /embed_tokens|lm_head/;

/**
 * The formats in which a model that is not trained lies on the GPU: one for all, or with `auto` that of
 * the file: q8_0 and q4_1 as they are, f32 too unless the run is in f16, and f16 for anything else. A
 * matrix whose rows are no whole blocks is f16. With q4_1 embedding and head are q8_0, as in llama.cpp's
 * files: they lose the most.
 * @param tensors what the files have; empty if they have not been opened, and then `auto` is f16
 */
export function baseFormats(
  { baseDtype, dtype }: { baseDtype: BaseDtype; dtype: Dtype },
  tensors: ReadonlyMap<string, StoredTensor>,
): MatrixFormats {
  const wantedFormat = (names: readonly string[]) => {
    if (baseDtype === "q4_1" && TABLE.test(names[0])) return "q8_0";
    if (baseDtype !== "auto") return baseDtype;
    const stored = storedFormat(names, tensors);
    return stored === "f32" ? dtype : stored;
  };
  return (names, columns) => {
    const format = WEIGHT_FORMATS[wantedFormat(names)];
    return columns % format.elements === 0 ? format : WEIGHT_FORMATS.f16;
  };
}

/** The format that holds these tensors as they are stored, f16 if there is none. */
function storedFormat(
  names: readonly string[],
  tensors: ReadonlyMap<string, StoredTensor>,
): WeightFormat {
  const types = new Set(names.map((name) => tensors.get(name)?.dtype));
  const [type] = types;
  const formats = Object.keys(WEIGHT_FORMATS) as WeightFormat[];
  const same = formats.find((format) => WEIGHT_FORMATS[format].dtype === type);
  return types.size === 1 && same ? same : "f16";
}

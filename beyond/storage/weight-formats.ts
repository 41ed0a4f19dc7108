import { UserError } from "../../lib/errors.ts";
import type { Gpu } from "../../lib/gpu/device.ts";
import { F32, type RowFormat } from "../../lib/model/matrix.ts";
import type { MatrixFormats } from "../../lib/model/parameters.ts";
import type { Slabs } from "../../lib/model/slabs.ts";
import { reorderRows } from "../gguf/names.ts";
import { decodeValues, encodeValues, storedBytes, type WrittenType } from "../models/dtypes.ts";
import {
  readBytes,
  readTensor,
  requireFinite,
  type StoredTensor,
  storedTensor,
} from "../models/safetensors.ts";

/** How a matrix lies on the GPU, in rows of whole words. beyond/storage/<format>.wgsl reads each, and shaders/weights/f32.wgsl f32. */
export type WeightFormat = "f32" | "f16" | "q8_0" | "q4_1";

/** What shaders bind: 4 bytes each. */
type Words = Uint32Array<ArrayBuffer>;

interface StorageFormat extends RowFormat {
  readonly name: WeightFormat;
  /** The type of files whose elements, or blocks, it holds bit for bit. */
  readonly dtype: WrittenType;
  /** The columns of a matrix are a multiple of this. */
  readonly elements: number;
}

function format(
  name: WeightFormat,
  dtype: WrittenType,
  elements: number,
  words: RowFormat["words"],
): StorageFormat {
  const ofWhole = (columns: number) => {
    if (columns % elements === 0) return words(columns);
    throw new RangeError(`${columns} columns: ${name} needs blocks of ${elements}`);
  };
  return { name, dtype, elements, words: ofWhole };
}

/**
 * Decoding reads every weight once a step, so the bytes of a format bound its speed where memory is the
 * limit: 4 a weight in f32, 2 in f16, 1 1/16 in q8_0 and 5/8 in q4_1. On software adapters arithmetic is:
 * there a product forward takes 0.83, 0.70 and 0.69 of f32's processor time on lavapipe, whose loads are
 * dear, and 1.1, 1.15 and 1.2 on SwiftShader (576 x 3072 with 1 and 8 rows, 256 x 256 with 64).
 */
export const WEIGHT_FORMATS: Readonly<Record<WeightFormat, StorageFormat>> = {
  f32: { ...F32, name: "f32", dtype: "F32", elements: 4 },
  f16: format("f16", "F16", 4, (columns) => columns / 2),
  q8_0: format("q8_0", "Q8_0", 32, (columns) => columns / 4 + Math.ceil(columns / 64)),
  q4_1: format("q4_1", "Q4_1", 32, (columns) => (columns / 32) * 5),
};

/** The same format for all matrices. */
export const allIn =
  (format: WeightFormat): MatrixFormats =>
  () =>
    WEIGHT_FORMATS[format];

/** The formats of matrices that are not trained. */
export const FROZEN_FORMATS = ["f16", "q8_0", "q4_1"] as const;

/** The largest float16. */
const LARGEST_HALF = 65504;

/** Float32 as a format's words; blocks are quantised as ggml's reference does. */
export function packValues(values: Float32Array, format: WeightFormat, columns: number): Words {
  if (format === "f32") {
    return new Uint32Array(values.buffer as ArrayBuffer, values.byteOffset, values.length);
  }
  return packBytes(encodeValues(values, WEIGHT_FORMATS[format].dtype), format, columns);
}

/** What `packValues` packed, as the shaders read it. */
export function unpackValues(
  words: Words,
  format: WeightFormat,
  columns: number,
): Float32Array<ArrayBuffer> {
  const bytes = format === "q8_0" ? swapQ8(words.buffer, columns, false) : words.buffer;
  return decodeValues(bytes, WEIGHT_FORMATS[format].dtype) as Float32Array<ArrayBuffer>;
}

/**
 * Reads one tensor of a file as a format's words, rows in Hugging Face's order. What the file has in the
 * format's own type arrives bit for bit; anything else goes through float32.
 */
export async function readPacked(
  tensors: Map<string, StoredTensor>,
  name: string,
  format: WeightFormat,
): Promise<Words> {
  const tensor = storedTensor(tensors, name);
  const { dtype, shape, source, interleaved, less } = tensor;
  const columns = shape[1] ?? 1;
  if (dtype === WEIGHT_FORMATS[format].dtype && !less) {
    const bytes = await readBytes(tensor);
    requireFiniteBytes(bytes, format, `${source}: ${name}`);
    const words = packBytes(bytes, format, columns);
    return interleaved ? reorderRows(words, shape[0], interleaved) : words;
  }
  const values = await readTensor(tensors, name);
  if (format !== "f32" && values.some((value) => Math.abs(value) > LARGEST_HALF)) {
    throw new UserError(
      `${source}: ${name} has numbers beyond the range of ${format}; use --base-dtype f32`,
    );
  }
  return packValues(values, format, columns);
}

/** Blocks that are looked at together: as float32 they take 4 MiB. */
const BLOCKS_AT_ONCE = 1 << 15;

/** Looks at a tensor of a file without holding all of it as float32. */
function requireFiniteBytes(bytes: ArrayBuffer, format: WeightFormat, what: string): void {
  const { dtype, elements } = WEIGHT_FORMATS[format];
  const step = BLOCKS_AT_ONCE * storedBytes(dtype, elements);
  for (let at = 0; at < bytes.byteLength; at += step) {
    const values = decodeValues(bytes.slice(at, at + step), dtype);
    if (values) requireFinite(values, what);
  }
}

/** Uploads one tensor in the format that its layout has it in. */
export function setValues(gpu: Gpu, slabs: Slabs, name: string, values: Float32Array): void {
  slabs.set(gpu, name, packValues(values, ...placed(slabs, name)));
}

/** Reads one tensor back from the format that its layout has it in. */
export async function getValues(gpu: Gpu, slabs: Slabs, name: string) {
  const { buffer } = await slabs.get(gpu, name);
  return unpackValues(new Uint32Array(buffer), ...placed(slabs, name));
}

const placed = ({ layout }: Slabs, name: string) =>
  [layout.format(name) as WeightFormat, layout.shapes.get(name)?.at(-1) ?? 1] as const;

function packBytes(bytes: ArrayBuffer, format: WeightFormat, columns: number): Words {
  return new Uint32Array(format === "q8_0" ? swapQ8(bytes, columns, true) : bytes);
}

/**
 * Rows of Q8_0 as files have them, each block's scale before its quanta, to rows of all quanta and then
 * all scales, padded to whole words; `pack` false the other way.
 */
function swapQ8(from: ArrayBuffer, columns: number, pack: boolean): ArrayBuffer {
  const blocks = columns / 32;
  const [filed, packed] = [blocks * 17, WEIGHT_FORMATS.q8_0.words(columns) * 2]; // halves of a row
  const rows = from.byteLength / 2 / (pack ? filed : packed);
  const source = new Uint16Array(from);
  const out = new Uint16Array(rows * (pack ? packed : filed));
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++) {
      const inFile = row * filed + block * 17;
      const quanta = row * packed + block * 16;
      const scale = row * packed + blocks * 16 + block;
      if (pack) out[scale] = source[inFile];
      else out[inFile] = source[scale];
      for (let i = 0; i < 16; i++) {
        if (pack) out[quanta + i] = source[inFile + 1 + i];
        else out[inFile + 1 + i] = source[quanta + i];
      }
    }
  }
  return out.buffer;
}

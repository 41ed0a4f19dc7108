/**
 * GGUF, the file format of llama.cpp: magic, version, counts, metadata of key to typed value, tensor infos,
 * then the tensors, aligned (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md). Little-endian.
 */

import { watched } from "#platform/watchdog.ts";
import { UserError } from "../../lib/errors.ts";
import type { StoredTensor } from "../models/safetensors.ts";
import { BLOCK_FORMATS } from "./quantized.ts";

export type MetadataValue = number | bigint | boolean | string | MetadataValue[];
export type Metadata = Map<string, MetadataValue>;

export interface GgufFile {
  metadata: Metadata;
  /** By the file's own names; shapes as in torch, the longest stride first. */
  tensors: Map<string, StoredTensor>;
}

export const MAGIC = 0x46554747;
/** The numbers of the types of metadata values. */
export const VALUE = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
} as const;
const LEAST_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8];

/** The types of tensors by their numbers; those that are not read make an error that says what is there. */
const TENSOR_TYPE_NAMES =
  "F32 F16 Q4_0 Q4_1 - - Q5_0 Q5_1 Q8_0 Q8_1 Q2_K Q3_K Q4_K Q5_K Q6_K Q8_K IQ2_XXS IQ2_XS IQ3_XXS IQ1_S IQ4_NL " +
  "IQ3_S IQ2_S IQ4_XS I8 I16 I32 I64 F64 IQ1_M BF16 - - - TQ1_0 TQ2_0 - - - MXFP4";
export const TENSOR_TYPES = TENSOR_TYPE_NAMES.split(" ");
const PLAIN_BYTES: Record<string, number> = { F32: 4, F16: 2, BF16: 2 };
export const DEFAULT_ALIGNMENT = 32;

/** Metadata of the largest vocabularies takes some 10 MB; nothing like this much is ever read. */
const LONGEST_HEADER = 2 ** 26;
const FIRST_READ = 2 ** 22;

/** The part of the header read so far ends here. */
class EndOfPrefix extends Error {}

/** Opens a GGUF file. The weights stay on disk; every count and range is checked before it is used. */
export async function openGgufFile(file: Blob, source: string): Promise<GgufFile> {
  for (let length = FIRST_READ; ; length *= 4) {
    const prefix = await file.slice(0, length).arrayBuffer();
    try {
      return watched(source, () => new Reader(prefix, file, source).read());
    } catch (error) {
      if (!(error instanceof EndOfPrefix)) throw error;
      if (length >= Math.min(file.size, LONGEST_HEADER)) {
        throw corrupt(source, "it ends within its header");
      }
    }
  }
}

const corrupt = (source: string, why: string) =>
  new UserError(`${source} is corrupt or truncated: ${why}; copy or download it again`);

class Reader {
  private at = 0;
  private readonly data: DataView;
  private readonly text = new TextDecoder("utf-8", { ignoreBOM: true });

  constructor(
    private readonly prefix: ArrayBuffer,
    private readonly file: Blob,
    private readonly source: string,
  ) {
    this.data = new DataView(prefix);
  }

  read(): GgufFile {
    if (this.file.size < 4 || this.u32() !== MAGIC) {
      throw new UserError(
        `${this.source} is no GGUF file: it does not begin with GGUF; give a GGUF file, or the folder of a Hugging Face model`,
      );
    }
    const version = this.u32();
    if (version !== 2 && version !== 3) {
      throw new UserError(`${this.source} has GGUF version ${version}; only 2 and 3 are supported`);
    }
    const tensorCount = this.count(24, "tensors");
    const entryCount = this.count(13, "metadata entries");
    const metadata: Metadata = new Map();
    for (let i = 0; i < entryCount; i++) {
      const key = this.string();
      metadata.set(key, this.value(this.u32(), 0));
    }
    const parts = Number(metadata.get("split.count") ?? 1);
    if (parts > 1) {
      throw new UserError(
        `${this.source} is one of ${parts} parts of a model; join them: llama-gguf-split --merge <first part> whole.gguf`,
      );
    }
    const infos = Array.from({ length: tensorCount }, () => this.tensorInfo());
    const alignment = metadata.get("general.alignment") ?? DEFAULT_ALIGNMENT;
    if (typeof alignment !== "number" || !(alignment >= 1 && alignment <= 2 ** 20)) {
      throw corrupt(this.source, `its alignment is ${alignment}`);
    }
    const dataStart = Math.ceil(this.at / alignment) * alignment;
    const tensors = new Map<string, StoredTensor>();
    let covered = dataStart;
    for (const { name, dtype, shape, bytes, offset } of infos.sort((a, b) => a.offset - b.offset)) {
      const begin = dataStart + offset;
      const end = begin + bytes;
      if (begin < covered) throw corrupt(this.source, `${name} overlaps another tensor`);
      if (end > this.file.size) {
        throw corrupt(this.source, `${this.file.size} bytes of at least ${end}`);
      }
      if (tensors.has(name)) throw corrupt(this.source, `${name} is there twice`);
      covered = end;
      tensors.set(name, { dtype, shape, bytes: this.file.slice(begin, end), source: this.source });
    }
    return { metadata, tensors };
  }

  private tensorInfo() {
    const name = this.string();
    const dimensions = this.u32();
    if (dimensions > 4) throw corrupt(this.source, `${name} has ${dimensions} dimensions`);
    const shape = Array.from({ length: dimensions }, () => this.u64()).reverse();
    const type = this.u32();
    const dtype = TENSOR_TYPES[type] ?? `number ${type}`;
    const format = BLOCK_FORMATS[dtype] ?? { elements: 1, bytes: PLAIN_BYTES[dtype] };
    if (!format.bytes) {
      const supported = [...Object.keys(PLAIN_BYTES), ...Object.keys(BLOCK_FORMATS)].join(", ");
      throw new UserError(
        `${this.source}: ${name} is of type ${dtype}, which is not supported; take a file of another type, such as Q8_0 (${supported} are read), or the Hugging Face folder`,
      );
    }
    const elements = shape.reduce((a, b) => a * b, 1);
    if ((shape.at(-1) ?? 1) % format.elements !== 0 || !Number.isSafeInteger(elements)) {
      throw corrupt(this.source, `${name} of type ${dtype} cannot have the shape [${shape}]`);
    }
    return {
      name,
      dtype,
      shape,
      bytes: (elements / format.elements) * format.bytes,
      offset: this.u64(),
    };
  }

  private value(type: number, depth: number): MetadataValue {
    switch (type) {
      case VALUE.u8:
        return this.data.getUint8(this.take(1));
      case VALUE.i8:
        return this.data.getInt8(this.take(1));
      case VALUE.u16:
        return this.data.getUint16(this.take(2), true);
      case VALUE.i16:
        return this.data.getInt16(this.take(2), true);
      case VALUE.u32:
        return this.u32();
      case VALUE.i32:
        return this.data.getInt32(this.take(4), true);
      case VALUE.f32:
        return this.data.getFloat32(this.take(4), true);
      case VALUE.bool:
        return this.data.getUint8(this.take(1)) !== 0;
      case VALUE.string:
        return this.string();
      case VALUE.u64:
        return this.data.getBigUint64(this.take(8), true);
      case VALUE.i64:
        return this.data.getBigInt64(this.take(8), true);
      case VALUE.f64:
        return this.data.getFloat64(this.take(8), true);
      case VALUE.array: {
        if (depth > 3) throw corrupt(this.source, "its arrays are nested too deep");
        const element = this.u32();
        const length = this.count(LEAST_BYTES[element] ?? 1, "elements of an array");
        const values: MetadataValue[] = [];
        for (let i = 0; i < length; i++) values.push(this.value(element, depth + 1));
        return values;
      }
      default:
        throw corrupt(this.source, `it has a value of type ${type}`);
    }
  }

  private u32(): number {
    return this.data.getUint32(this.take(4), true);
  }

  private u64(): number {
    const value = this.data.getBigUint64(this.take(8), true);
    if (value > Number.MAX_SAFE_INTEGER) throw corrupt(this.source, `it has a size of ${value}`);
    return Number(value);
  }

  /** A count of things of at least `bytes` each, which must fit in what is left of the file. */
  private count(bytes: number, what: string): number {
    const count = this.u64();
    if (count * bytes > this.file.size - this.at) {
      throw corrupt(this.source, `${count} ${what} do not fit in ${this.file.size} bytes`);
    }
    return count;
  }

  private string(): string {
    const length = this.count(1, "bytes of a text");
    return this.text.decode(new Uint8Array(this.prefix, this.take(length), length));
  }

  /** The place of the next `bytes` bytes. */
  private take(bytes: number): number {
    const at = this.at;
    if (at + bytes > this.prefix.byteLength) throw new EndOfPrefix();
    this.at += bytes;
    return at;
  }
}

import { encodeValues, storedBytes, type WrittenType } from "../models/dtypes.ts";
import type { TensorSource } from "../models/safetensors.ts";
import { DEFAULT_ALIGNMENT, MAGIC, TENSOR_TYPES, VALUE } from "./format.ts";

/** One entry of the metadata. Numbers need the type they are stored as. */
export type Entry =
  | { key: string; type: "u32" | "i32" | "f32"; value: number | number[] }
  | { key: string; type: "bool"; value: boolean }
  | { key: string; type: "string"; value: string | string[] };

/** A tensor to be written, by its GGUF name. */
export interface GgufTensorSource extends TensorSource {
  type: WrittenType;
}

/**
 * The bytes of a GGUF file, piece by piece: header, then the tensors in order, each asked for when its turn
 * comes, so that one at a time is in memory.
 */
export async function* encodeGguf(
  metadata: readonly Entry[],
  tensors: readonly GgufTensorSource[],
): AsyncGenerator<Uint8Array> {
  const header = new Bytes();
  header.u32(MAGIC);
  header.u32(3);
  header.u64(tensors.length);
  header.u64(metadata.length);
  for (const entry of metadata) header.entry(entry);
  let offset = 0;
  for (const { name, shape, type } of tensors) {
    header.string(name);
    header.u32(shape.length);
    for (const size of [...shape].reverse()) header.u64(size);
    header.u32(numberOf(type));
    header.u64(offset);
    offset += padded(bytesOf(shape, type));
  }
  yield header.padded();
  for (const { name, shape, type, data } of tensors) {
    const values = await data();
    if (values.length !== elementsOf(shape)) {
      throw new Error(`${name} has ${values.length} values, its shape needs ${elementsOf(shape)}`);
    }
    const out = new Uint8Array(padded(bytesOf(shape, type)));
    encodeValues(values, type, out.buffer);
    yield out;
  }
}

const elementsOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const padded = (bytes: number) => Math.ceil(bytes / DEFAULT_ALIGNMENT) * DEFAULT_ALIGNMENT;
const numberOf = (type: WrittenType) => TENSOR_TYPES.indexOf(type);

const bytesOf = (shape: readonly number[], type: WrittenType) =>
  storedBytes(type, elementsOf(shape));

/** A growing buffer, little-endian. */
class Bytes {
  private data = new DataView(new ArrayBuffer(1 << 16));
  private length = 0;

  u32(value: number): void {
    const at = this.grow(4);
    this.data.setUint32(at, value, true);
  }
  u64(value: number): void {
    const at = this.grow(8);
    this.data.setBigUint64(at, BigInt(value), true);
  }
  string(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.u64(bytes.length);
    const at = this.grow(bytes.length);
    new Uint8Array(this.data.buffer).set(bytes, at);
  }
  entry({ key, type, value }: Entry): void {
    this.string(key);
    if (Array.isArray(value)) {
      this.u32(VALUE.array);
      this.u32(VALUE[type]);
      this.u64(value.length);
      for (const one of value) this.value(type, one);
    } else {
      this.u32(VALUE[type]);
      this.value(type, value);
    }
  }
  /** The bytes so far, up to a multiple of the alignment. */
  padded(): Uint8Array {
    this.grow(padded(this.length) - this.length);
    return new Uint8Array(this.data.buffer, 0, this.length);
  }

  private value(type: Entry["type"], value: number | boolean | string): void {
    if (typeof value === "string") {
      this.string(value);
      return;
    }
    const at = this.grow(type === "bool" ? 1 : 4);
    if (type === "bool") this.data.setUint8(at, Number(value));
    else if (type === "f32") this.data.setFloat32(at, Number(value), true);
    else if (type === "i32") this.data.setInt32(at, Number(value), true);
    else this.data.setUint32(at, Number(value), true);
  }

  /** Makes room for `bytes` more and gives their place. */
  private grow(bytes: number): number {
    const at = this.length;
    this.length += bytes;
    if (this.length > this.data.byteLength) {
      const larger = new Uint8Array(Math.max(this.length, 2 * this.data.byteLength));
      larger.set(new Uint8Array(this.data.buffer));
      this.data = new DataView(larger.buffer);
    }
    return at;
  }
}

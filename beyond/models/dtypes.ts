import { BLOCK_FORMATS, decodeBlocks, encodeBlocks } from "../gguf/quantized.ts";

/** Bytes of one element; a type that is neither here nor made of blocks is refused when it is read. */
const ELEMENT_BYTES: Record<string, number> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
};

/** The types that float32 is written as. */
export const WRITTEN_TYPES = [
  "F32",
  "F16",
  "BF16",
  "Q8_0",
  "Q4_0",
  "Q4_1",
  "Q5_0",
  "Q5_1",
] as const;
export type WrittenType = (typeof WRITTEN_TYPES)[number];

/** Bytes that files need for so many elements of a type; NaN for a type nobody knows. */
export function storedBytes(dtype: string, elements: number): number {
  const block = BLOCK_FORMATS[dtype] ?? { elements: 1, bytes: ELEMENT_BYTES[dtype] };
  return (elements / block.elements) * (block.bytes ?? Number.NaN);
}

/**
 * Elements as files store them, as float32: F16 and BF16 are widened, which is exact, and GGML's blocks
 * dequantised.
 * @returns null for a type that no weights have
 */
export function decodeValues(bytes: ArrayBuffer, dtype: string): Float32Array<ArrayBuffer> | null {
  if (dtype === "F32") return new Float32Array(bytes);
  if (dtype === "F16") return new Float32Array(new Float16Array(bytes));
  if (dtype === "BF16") {
    // bfloat16 is the upper half of a float32
    const half = new Uint16Array(bytes);
    const wide = new Uint32Array(half.length);
    for (let i = 0; i < half.length; i++) wide[i] = half[i] << 16;
    return new Float32Array(wide.buffer);
  }
  return dtype in BLOCK_FORMATS ? decodeBlocks(bytes, BLOCK_FORMATS[dtype]) : null;
}

/**
 * Float32 as files store it, written to the front of `out`: F16 and BF16 rounded to nearest, blocks as ggml's
 * reference quantises them.
 */
export function encodeValues(
  values: Float32Array,
  dtype: WrittenType,
  out = new ArrayBuffer(storedBytes(dtype, values.length)),
): ArrayBuffer {
  if (dtype === "F32") new Float32Array(out).set(values);
  else if (dtype === "F16") new Float16Array(out).set(values);
  else if (dtype === "BF16") {
    const wide = new Uint32Array(values.buffer, values.byteOffset, values.length);
    const half = new Uint16Array(out);
    // to nearest, ties to even
    for (let i = 0; i < wide.length; i++)
      half[i] = (wide[i] + 0x7fff + ((wide[i] >>> 16) & 1)) >>> 16;
  } else encodeBlocks(values, BLOCK_FORMATS[dtype], out);
  return out;
}

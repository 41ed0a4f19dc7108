/** The block formats of GGML: https://github.com/ggml-org/ggml/blob/master/src/ggml-quants.c */

/** How a type stores its elements: in blocks of `elements`, each of `bytes`. */
export interface BlockFormat {
  elements: number;
  bytes: number;
  /** Reads the block at byte `from` of `data` into `out` at `at`. Exact up to float32 rounding. */
  decode: (data: DataView, from: number, out: Float32Array, at: number) => void;
  /** Writes the block of the values at `at` to byte `to` of `data`, as ggml's reference does, in float32. */
  encode?: (values: Float32Array, at: number, data: DataView, to: number) => void;
}

/** The scale and the minimum of sub-block j of a K block: 6 bits each, 8 pairs packed in 12 bytes. */
function scaleAndMin(data: DataView, from: number, j: number): [scale: number, min: number] {
  const byte = (i: number) => data.getUint8(from + i);
  if (j < 4) return [byte(j) & 63, byte(j + 4) & 63];
  return [
    (byte(j + 4) & 15) | ((byte(j - 4) >> 6) << 4),
    (byte(j + 4) >> 4) | ((byte(j) >> 6) << 4),
  ];
}

/**
 * Writes the scale of a block of Q4_0 or Q5_0, of as many levels, and gives the level of each of its values:
 * d = x / -(levels / 2) for the x of the largest magnitude, q = x / d + levels / 2 rounded to nearest.
 */
function aroundZero(values: Float32Array, at: number, levels: number, data: DataView, to: number) {
  let furthest = 0;
  for (let i = 0; i < 32; i++) {
    if (Math.abs(values[at + i]) > Math.abs(furthest)) furthest = values[at + i];
  }
  const d = Math.fround(furthest / (-levels / 2));
  const inverse = d === 0 ? 0 : Math.fround(1 / d);
  data.setFloat16(to, d, true);
  return (i: number) => {
    const steps = Math.fround(Math.fround(values[at + i] * inverse) + levels / 2 + 0.5);
    return Math.min(levels - 1, Math.trunc(steps));
  };
}

/**
 * The same for Q4_1 or Q5_1: d = (max x - min x) / (levels - 1), m = min x, q = (x - m) / d rounded to nearest.
 */
function fromLeast(values: Float32Array, at: number, levels: number, data: DataView, to: number) {
  let [least, largest] = [values[at], values[at]];
  for (let i = 1; i < 32; i++) {
    least = Math.min(least, values[at + i]);
    largest = Math.max(largest, values[at + i]);
  }
  const d = Math.fround(Math.fround(largest - least) / (levels - 1));
  const inverse = d === 0 ? 0 : Math.fround(1 / d);
  data.setFloat16(to, d, true);
  data.setFloat16(to + 2, least, true);
  return (i: number) => {
    const steps = Math.fround(Math.fround(values[at + i] - least) * inverse);
    return Math.min(levels - 1, Math.floor(Math.fround(steps + 0.5)));
  };
}

/** Writes levels of 5 bits: the fifth ones in 4 bytes at `to`, then the others, the low halves first. */
function putFiveBits(quantum: (i: number) => number, data: DataView, to: number) {
  let fifth = 0;
  for (let i = 0; i < 16; i++) {
    const [low, high] = [quantum(i), quantum(16 + i)];
    fifth |= ((low >> 4) << i) | ((high >> 4) << (i + 16));
    data.setUint8(to + 4 + i, (low & 15) | ((high & 15) << 4));
  }
  data.setUint32(to, fifth >>> 0, true);
}

export const BLOCK_FORMATS: Record<string, BlockFormat> = {
  /** y = d q */
  Q8_0: {
    elements: 32,
    bytes: 34,
    decode(data, from, out, at) {
      const d = data.getFloat16(from, true);
      for (let i = 0; i < 32; i++) out[at + i] = d * data.getInt8(from + 2 + i);
    },
    /** d = max |x| / 127, q = x / d rounded to nearest, halves away from zero */
    encode(values, at, data, to) {
      let largest = 0;
      for (let i = 0; i < 32; i++) largest = Math.max(largest, Math.abs(values[at + i]));
      const d = Math.fround(largest / 127);
      const inverse = d === 0 ? 0 : Math.fround(1 / d);
      data.setFloat16(to, d, true);
      for (let i = 0; i < 32; i++) {
        const x = Math.fround(values[at + i] * inverse);
        // cut off towards zero; an integer, never -0, is ten times as fast here
        data.setInt8(to + 2 + i, (x + (x < 0 ? -0.5 : 0.5)) | 0);
      }
    },
  },
  /** y = d (q - 8); the low halves of the bytes come first */
  Q4_0: {
    elements: 32,
    bytes: 18,
    decode(data, from, out, at) {
      const d = data.getFloat16(from, true);
      for (let i = 0; i < 16; i++) {
        const q = data.getUint8(from + 2 + i);
        out[at + i] = d * ((q & 15) - 8);
        out[at + 16 + i] = d * ((q >> 4) - 8);
      }
    },
    encode(values, at, data, to) {
      const quantum = aroundZero(values, at, 16, data, to);
      for (let i = 0; i < 16; i++) data.setUint8(to + 2 + i, quantum(i) | (quantum(16 + i) << 4));
    },
  },
  /** y = d q + m */
  Q4_1: {
    elements: 32,
    bytes: 20,
    decode(data, from, out, at) {
      const d = data.getFloat16(from, true);
      const m = data.getFloat16(from + 2, true);
      for (let i = 0; i < 16; i++) {
        const q = data.getUint8(from + 4 + i);
        out[at + i] = d * (q & 15) + m;
        out[at + 16 + i] = d * (q >> 4) + m;
      }
    },
    encode(values, at, data, to) {
      const quantum = fromLeast(values, at, 16, data, to);
      for (let i = 0; i < 16; i++) data.setUint8(to + 4 + i, quantum(i) | (quantum(16 + i) << 4));
    },
  },
  /** y = d (q - 16), the fifth bits apart. Files called Q4_K have it where rows are no multiple of 256. */
  Q5_0: {
    elements: 32,
    bytes: 22,
    decode(data, from, out, at) {
      const d = data.getFloat16(from, true);
      const high = data.getUint32(from + 2, true);
      for (let i = 0; i < 16; i++) {
        const q = data.getUint8(from + 6 + i);
        out[at + i] = d * (((q & 15) | (((high >>> i) & 1) << 4)) - 16);
        out[at + 16 + i] = d * (((q >> 4) | (((high >>> (i + 16)) & 1) << 4)) - 16);
      }
    },
    encode(values, at, data, to) {
      putFiveBits(aroundZero(values, at, 32, data, to), data, to + 2);
    },
  },
  /** y = d q + m, the fifth bits apart */
  Q5_1: {
    elements: 32,
    bytes: 24,
    decode(data, from, out, at) {
      const d = data.getFloat16(from, true);
      const m = data.getFloat16(from + 2, true);
      const high = data.getUint32(from + 4, true);
      for (let i = 0; i < 16; i++) {
        const q = data.getUint8(from + 8 + i);
        out[at + i] = d * ((q & 15) | (((high >>> i) & 1) << 4)) + m;
        out[at + 16 + i] = d * ((q >> 4) | (((high >>> (i + 16)) & 1) << 4)) + m;
      }
    },
    encode(values, at, data, to) {
      putFiveBits(fromLeast(values, at, 32, data, to), data, to + 4);
    },
  },
  /** y = d scale_j (q - 4), for 16 sub-blocks of 16; the upper bit of the 3 apart, and 2 of the 6 of a scale */
  Q3_K: {
    elements: 256,
    bytes: 110,
    decode(data, from, out, at) {
      const byte = (i: number) => data.getUint8(from + i);
      const d = data.getFloat16(from + 108, true);
      for (let j = 0; j < 16; j++) {
        const low = j < 8 ? byte(96 + j) & 15 : byte(88 + j) >> 4;
        const scale = (low | (((byte(104 + (j & 3)) >> (2 * (j >> 2))) & 3) << 4)) - 32;
        const [half, quarter] = [j >> 3, (j >> 1) & 3];
        for (let i = 16 * (j & 1); i < 16 * (j & 1) + 16; i++) {
          const q = (byte(32 + 32 * half + i) >> (2 * quarter)) & 3;
          const upper = (byte(i) >> (4 * half + quarter)) & 1;
          out[at + 128 * half + 32 * quarter + i] = d * scale * (q + 4 * upper - 4);
        }
      }
    },
  },
  /** y = d scale_j q - dmin min_j, for 8 sub-blocks of 32 */
  Q4_K: {
    elements: 256,
    bytes: 144,
    decode(data, from, out, at) {
      const d = data.getFloat16(from, true);
      const dmin = data.getFloat16(from + 2, true);
      for (let pair = 0; pair < 4; pair++) {
        const [scale1, min1] = scaleAndMin(data, from + 4, 2 * pair);
        const [scale2, min2] = scaleAndMin(data, from + 4, 2 * pair + 1);
        const target = at + 64 * pair;
        for (let i = 0; i < 32; i++) {
          const q = data.getUint8(from + 16 + 32 * pair + i);
          out[target + i] = d * scale1 * (q & 15) - dmin * min1;
          out[target + 32 + i] = d * scale2 * (q >> 4) - dmin * min2;
        }
      }
    },
  },
  /** as Q4_K, the fifth bits apart */
  Q5_K: {
    elements: 256,
    bytes: 176,
    decode(data, from, out, at) {
      const d = data.getFloat16(from, true);
      const dmin = data.getFloat16(from + 2, true);
      for (let j = 0; j < 8; j++) {
        const [scale, min] = scaleAndMin(data, from + 4, j);
        for (let i = 0; i < 32; i++) {
          const byte = data.getUint8(from + 48 + 32 * (j >> 1) + i);
          const upper = (data.getUint8(from + 16 + i) >> j) & 1;
          const q = (j & 1 ? byte >> 4 : byte & 15) | (upper << 4);
          out[at + 32 * j + i] = d * scale * q - dmin * min;
        }
      }
    },
  },
  /** y = d scale_j (q - 32), for 16 sub-blocks of 16; the upper 2 of the 6 bits apart */
  Q6_K: {
    elements: 256,
    bytes: 210,
    decode(data, from, out, at) {
      const d = data.getFloat16(from + 208, true);
      for (let half = 0; half < 2; half++) {
        const [low, high] = [from + 64 * half, from + 128 + 32 * half];
        for (let i = 0; i < 32; i++) {
          const upper = data.getUint8(high + i);
          for (let quarter = 0; quarter < 4; quarter++) {
            const byte = data.getUint8(low + i + 32 * (quarter & 1));
            const q = (quarter < 2 ? byte & 15 : byte >> 4) | (((upper >> (2 * quarter)) & 3) << 4);
            const scale = data.getInt8(from + 192 + 8 * half + 2 * quarter + (i >> 4));
            out[at + 128 * half + 32 * quarter + i] = d * scale * (q - 32);
          }
        }
      }
    },
  },
};

/** All of a tensor's blocks as float32. */
export function decodeBlocks(buffer: ArrayBuffer, format: BlockFormat): Float32Array<ArrayBuffer> {
  const blocks = buffer.byteLength / format.bytes;
  const out = new Float32Array(blocks * format.elements);
  const data = new DataView(buffer);
  for (let block = 0; block < blocks; block++) {
    format.decode(data, block * format.bytes, out, block * format.elements);
  }
  return out;
}

/** Float32 as blocks, written to the front of `out`. */
export function encodeBlocks(values: Float32Array, format: BlockFormat, out: ArrayBuffer): void {
  const { elements, bytes, encode } = format;
  if (!encode) throw new Error("no blocks of this format are written");
  const data = new DataView(out);
  for (let block = 0; block * elements < values.length; block++) {
    encode(values, block * elements, data, block * bytes);
  }
}

/**
 * Rotary position embedding (Su et al. 2021, arXiv 2104.09864; Hugging Face's rotate-half layout) in
 * float64, with the split of the fused projection qkv [T, (heads + 2 kvHeads) headDim] into q, k, v.
 *
 * `spans` [T, 4] = (prefixStart, prefixEnd, ownStart, ownEnd): the keys token t sees are the rows
 * [prefixStart, prefixEnd) and [ownStart, ownEnd) of K and V; its own row is ownEnd - 1 and its
 * position is the number of keys it sees, less one.
 */

export interface HeadShape {
  T: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  /** The most keys that a token sees, the last of all. */
  window?: number;
}

export interface RopeShape extends HeadShape {
  theta: number;
  scaling?: RopeScaling | null;
}

/** As in a Hugging Face config's `rope_scaling`. */
export type RopeScaling =
  | { type: "linear"; factor: number }
  | {
      type: "llama3";
      factor: number;
      lowFreqFactor: number;
      highFreqFactor: number;
      originalMaxPositionEmbeddings: number;
    };

/** f_i = theta^(-2i/headDim), stretched as `transformers` does it, by the length of its wave. */
function frequency(i: number, { headDim, theta, scaling }: RopeShape): number {
  const f = theta ** ((-2 * i) / headDim);
  if (!scaling) return f;
  if (scaling.type === "linear") return f / scaling.factor;
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings } = scaling;
  const wave = (2 * Math.PI) / f;
  if (wave < originalMaxPositionEmbeddings / highFreqFactor) return f;
  if (wave > originalMaxPositionEmbeddings / lowFreqFactor) return f / factor;
  const smooth =
    (originalMaxPositionEmbeddings / wave - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
  return ((1 - smooth) * f) / factor + smooth * f;
}

export interface QueryKeyValue {
  /** [T, heads * headDim] */
  q: Float64Array;
  /** [keyRows, kvHeads * headDim] */
  k: Float64Array;
  /** [keyRows, kvHeads * headDim] */
  v: Float64Array;
}

/** RoPE position of token t. */
export function position(spans: Uint32Array, t: number): number {
  const [prefixStart, prefixEnd, ownStart, ownEnd] = spans.subarray(4 * t, 4 * t + 4);
  return prefixEnd - prefixStart + (ownEnd - ownStart) - 1;
}

/**
 * Writes `head` rotated by `sign` times its angle, with angle_i = pos f_i and
 * h = headDim / 2:  out_i = a_i cos - a_{i+h} sin,  out_{i+h} = a_{i+h} cos + a_i sin.
 * A rotation is orthogonal, so its backward pass is the rotation by the opposite angle.
 */
function rotate(
  head: Float64Array,
  out: Float64Array,
  pos: number,
  shape: RopeShape,
  sign: number,
) {
  const half = head.length / 2;
  for (let i = 0; i < half; i++) {
    const angle = sign * pos * frequency(i, shape);
    const cos = Math.cos(angle);
    const sin = Math.sin(angle);
    out[i] = head[i] * cos - head[i + half] * sin;
    out[i + half] = head[i + half] * cos + head[i] * sin;
  }
}

/**
 * Splits qkv and rotates q and k; k and v go to row ownEnd - 1 of `cache`, whose other rows stay.
 * Without `cache` K and V have one row per token.
 */
export function ropeForward(
  qkv: Float64Array,
  spans: Uint32Array,
  shape: RopeShape,
  cache?: { k: Float64Array; v: Float64Array },
): QueryKeyValue {
  const { T, heads, kvHeads, headDim } = shape;
  const width = (heads + 2 * kvHeads) * headDim;
  const q = new Float64Array(T * heads * headDim);
  const k = cache ? cache.k.slice() : new Float64Array(T * kvHeads * headDim);
  const v = cache ? cache.v.slice() : new Float64Array(T * kvHeads * headDim);
  for (let t = 0; t < T; t++) {
    const pos = position(spans, t);
    const row = spans[4 * t + 3] - 1;
    const part = (index: number) =>
      qkv.subarray(t * width + index * headDim, t * width + (index + 1) * headDim);
    for (let h = 0; h < heads; h++) {
      rotate(part(h), q.subarray((t * heads + h) * headDim).subarray(0, headDim), pos, shape, 1);
    }
    for (let h = 0; h < kvHeads; h++) {
      const start = (row * kvHeads + h) * headDim;
      rotate(part(heads + h), k.subarray(start, start + headDim), pos, shape, 1);
      v.set(part(heads + kvHeads + h), start);
    }
  }
  return { q, k, v };
}

/** Joins dq, dk, dv into dqkv [T, (heads + 2 kvHeads) headDim], rotating dq and dk back. */
export function ropeBackward(
  { q: dq, k: dk, v: dv }: QueryKeyValue,
  spans: Uint32Array,
  shape: RopeShape,
): Float64Array {
  const { T, heads, kvHeads, headDim } = shape;
  const width = (heads + 2 * kvHeads) * headDim;
  const dqkv = new Float64Array(T * width);
  for (let t = 0; t < T; t++) {
    const pos = position(spans, t);
    const row = spans[4 * t + 3] - 1;
    const part = (index: number) =>
      dqkv.subarray(t * width + index * headDim, t * width + (index + 1) * headDim);
    for (let h = 0; h < heads; h++) {
      rotate(dq.subarray((t * heads + h) * headDim).subarray(0, headDim), part(h), pos, shape, -1);
    }
    for (let h = 0; h < kvHeads; h++) {
      const start = (row * kvHeads + h) * headDim;
      rotate(dk.subarray(start, start + headDim), part(heads + h), pos, shape, -1);
      part(heads + kvHeads + h).set(dv.subarray(start, start + headDim));
    }
  }
  return dqkv;
}

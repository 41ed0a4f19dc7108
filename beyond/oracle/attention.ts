/**
 * Grouped-query attention over spans, in float64. q, o [T, heads headDim]; k, v [keyRows, kvHeads
 * headDim]; query head h reads key head floor(h / (heads / kvHeads)); `spans` as in rope.ts.
 */
import type { HeadShape, QueryKeyValue } from "./rope.ts";

export interface AttentionOutput {
  /** [T, heads * headDim] */
  o: Float64Array;
  /** [T, heads]: log sum_s exp(score_s) */
  lse: Float64Array;
}

/** The rows of K and V that token t sees: the shared prefix, then its own sequence up to itself, the last `window` of all. */
function visibleKeys(spans: Uint32Array, t: number, window = Infinity): number[] {
  const [prefixStart, prefixEnd, ownStart, ownEnd] = spans.subarray(4 * t, 4 * t + 4);
  const keys: number[] = [];
  for (let s = prefixStart; s < prefixEnd; s++) keys.push(s);
  for (let s = ownStart; s < ownEnd; s++) keys.push(s);
  return keys.slice(-window);
}

function dotAt(a: Float64Array, i: number, b: Float64Array, j: number, length: number): number {
  let sum = 0;
  for (let d = 0; d < length; d++) sum += a[i + d] * b[j + d];
  return sum;
}

/** score_s = q . k_s / sqrt(headDim);  lse = log sum_s exp(score_s);  o = sum_s exp(score_s - lse) v_s */
export function attentionForward(
  { q, k, v }: QueryKeyValue,
  spans: Uint32Array,
  { T, heads, kvHeads, headDim, window }: HeadShape,
): AttentionOutput {
  const o = new Float64Array(T * heads * headDim);
  const lse = new Float64Array(T * heads);
  for (let t = 0; t < T; t++) {
    const keys = visibleKeys(spans, t, window);
    for (let h = 0; h < heads; h++) {
      const kvHead = Math.floor(h / (heads / kvHeads));
      const qAt = (t * heads + h) * headDim;
      const kAt = (s: number) => (s * kvHeads + kvHead) * headDim;
      const scores = keys.map((s) => dotAt(q, qAt, k, kAt(s), headDim) / Math.sqrt(headDim));
      const max = scores.reduce((a, b) => Math.max(a, b));
      const total = max + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - max), 0));
      lse[t * heads + h] = total;
      keys.forEach((s, i) => {
        const p = Math.exp(scores[i] - total);
        for (let d = 0; d < headDim; d++) o[qAt + d] += p * v[kAt(s) + d];
      });
    }
  }
  return { o, lse };
}

/**
 * What the chunks of `size` keys of each query leave, [T, heads, chunks, headDim + 4]: sum_s exp(score_s -
 * largest) v_s, then the largest score, sum_s exp(score_s - largest), 0 and 0. Chunks that a query does not
 * have are as in `initial`.
 */
export function attentionChunks(
  { q, k, v }: QueryKeyValue,
  spans: Uint32Array,
  { T, heads, kvHeads, headDim, window }: HeadShape,
  { size, chunks, initial }: { size: number; chunks: number; initial: Float64Array },
): Float64Array {
  const partials = initial.slice();
  for (let t = 0; t < T; t++) {
    const keys = visibleKeys(spans, t, window);
    for (let h = 0; h < heads; h++) {
      const kvHead = Math.floor(h / (heads / kvHeads));
      const qAt = (t * heads + h) * headDim;
      for (let first = 0; first < keys.length; first += size) {
        const rows = keys.slice(first, first + size).map((s) => (s * kvHeads + kvHead) * headDim);
        const scores = rows.map((at) => dotAt(q, qAt, k, at, headDim) / Math.sqrt(headDim));
        const largest = scores.reduce((a, b) => Math.max(a, b));
        const weights = scores.map((score) => Math.exp(score - largest));
        const at = ((t * heads + h) * chunks + first / size) * (headDim + 4);
        for (let d = 0; d < headDim; d++) {
          partials[at + d] = rows.reduce((sum, row, i) => sum + weights[i] * v[row + d], 0);
        }
        const total = weights.reduce((a, b) => a + b);
        partials.set([largest, total, 0, 0], at + headDim);
      }
    }
  }
  return partials;
}

export interface AttentionGradient extends QueryKeyValue {
  /** [T, heads]: sum_d do_d o_d */
  delta: Float64Array;
}

/**
 * With p_s = exp(score_s - lse), delta = sum_d do_d o_d and ds_s = p_s (do . v_s - delta):
 * dv_s += p_s do,  dq += ds_s k_s / sqrt(headDim),  dk_s += ds_s q / sqrt(headDim)
 * (Dao et al. 2022, arXiv 2205.14135, appendix B). The result holds dq, dk, dv as q, k, v.
 */
export function attentionBackward(
  dOut: Float64Array,
  { q, k, v }: QueryKeyValue,
  { o, lse }: AttentionOutput,
  spans: Uint32Array,
  { T, heads, kvHeads, headDim, window }: HeadShape,
): AttentionGradient {
  const dq = new Float64Array(q.length);
  const dk = new Float64Array(k.length);
  const dv = new Float64Array(v.length);
  const delta = new Float64Array(T * heads);
  const scale = 1 / Math.sqrt(headDim);
  for (let t = 0; t < T; t++) {
    const keys = visibleKeys(spans, t, window);
    for (let h = 0; h < heads; h++) {
      const kvHead = Math.floor(h / (heads / kvHeads));
      const qAt = (t * heads + h) * headDim;
      delta[t * heads + h] = dotAt(dOut, qAt, o, qAt, headDim);
      for (const s of keys) {
        const kAt = (s * kvHeads + kvHead) * headDim;
        const p = Math.exp(dotAt(q, qAt, k, kAt, headDim) * scale - lse[t * heads + h]);
        const ds = p * (dotAt(dOut, qAt, v, kAt, headDim) - delta[t * heads + h]);
        for (let d = 0; d < headDim; d++) {
          dv[kAt + d] += p * dOut[qAt + d];
          dq[qAt + d] += ds * k[kAt + d] * scale;
          dk[kAt + d] += ds * q[qAt + d] * scale;
        }
      }
    }
  }
  return { delta, q: dq, k: dk, v: dv };
}

import { BLOCK_ROWS, KEY_CHUNK, softmaxLength } from "../../../lib/model/ops/heads.ts";
import { ROW_CHUNK } from "../../../lib/model/ops/kernels.ts";
import type { Dtype } from "../../storage/precision.ts";
import { attentionBackward, attentionChunks, attentionForward } from "../attention.ts";
import { Random } from "../random.ts";
import {
  type HeadShape,
  position,
  type QueryKeyValue,
  ropeBackward,
  ropeForward,
} from "../rope.ts";
import { type KernelCase, storage } from "./case.ts";

/** Spans as `Packing` makes them, or, in decoding, anything over `rows` cache rows. */
export interface SpanCase extends Omit<HeadShape, "T"> {
  spans: Uint32Array;
  /** One past the last query that sees each key; without it there is no backward pass. */
  lastQuery?: Uint32Array;
  /** Rows of keys and values. */
  rows: number;
}

/** What keeps rows of keys and values as samplers may: in blocks that lie in another order, others' before them. */
function scattered(rows: number, width: number) {
  const blocks = Math.ceil(rows / BLOCK_ROWS);
  const moved = Uint32Array.from({ length: blocks }, (_, i) => (blocks - 2 * i) * BLOCK_ROWS);
  const scatter = (data: Float64Array) => {
    const cache = new Float64Array((blocks + 1) * BLOCK_ROWS * width).fill(1e3);
    for (let row = 0; row < rows; row++) {
      const to = row + (moved[Math.floor(row / BLOCK_ROWS)] | 0);
      cache.set(data.subarray(row * width, (row + 1) * width), to * width);
    }
    return cache;
  };
  return { moved, scatter };
}

export function rope(
  { spans, lastQuery, rows, ...heads }: SpanCase,
  dtype: Dtype = "f32",
): KernelCase[] {
  const { round, input, output } = storage(dtype);
  const T = spans.length / 4;
  const shape = { ...heads, T, theta: 100 };
  const { headDim, kvHeads } = shape;
  const random = new Random(4, T, headDim);
  const positions = spans.reduce((largest, end) => Math.max(largest, end), 0);
  // after that of another layer
  const table = Float64Array.from({ length: 2 * positions * headDim }, (_, i) => {
    const position = Math.floor(i / headDim) - positions;
    const angle = position * shape.theta ** ((-2 * Math.floor((i % headDim) / 2)) / headDim);
    return i % 2 === 0 ? Math.cos(angle) : Math.sin(angle);
  });
  const width = kvHeads * headDim;
  const normal = (length: number) => round(random.normal(length));
  const qkv = normal(T * (heads.heads * headDim + 2 * width));
  const cache = { k: normal(rows * width), v: normal(rows * width) };
  const { moved, scatter } = scattered(rows, width);
  // v comes from qkv itself, whose q and k are not read when `qk` has normed ones
  const qk = normal(qkv.length);
  const { q, k } = ropeForward(qk, spans, shape, cache);
  const { v } = ropeForward(qkv, spans, shape, cache);
  const cached = (reference: Float64Array, initial: Float64Array) => ({
    kernel: "rope.forward",
    reference: scatter(reference),
    initial: input(scatter(initial)),
  });
  const forward: KernelCase = {
    inputs: { spans, moved, table, qk: input(qk), qkv: input(qkv) },
    outputs: {
      q: { kernel: "rope.forward", reference: q, ...output },
      keys: { ...cached(k, cache.k), ...output },
      values: { ...cached(v, cache.v), ...output },
    },
    dispatch: (ops, { spans, moved, table, qk, qkv, q, keys, values }) =>
      ops.rope.forward({ spans, moved, table, qk, qkv, q, keys, values }, T, shape, positions),
  };
  if (!lastQuery) return [forward];
  const [dq, dk, dv] = [q.length, k.length, v.length].map((length) => random.normal(length));
  const dqkv = ropeBackward({ q: dq, k: dk, v: dv }, spans, shape);
  const backward: KernelCase = {
    inputs: { spans, table, dq, dk, dv },
    outputs: { dqkv: { kernel: "rope.backward", reference: dqkv } },
    dispatch: (ops, { spans, table, dq, dk, dv, dqkv }) =>
      ops.rope.backward({ spans, table, dq, dk, dv, dqkv }, T, shape, positions),
  };
  return [forward, backward];
}

/** What the kernels have as `last_query`: beside each token's last query its position. */
function withPositions(lastQuery: Uint32Array, spans: Uint32Array): Uint32Array {
  return Uint32Array.from({ length: 2 * lastQuery.length }, (_, i) =>
    i % 2 === 0 ? lastQuery[i / 2] : position(spans, (i - 1) / 2),
  );
}

/** Forward alone, with the keys of each query split by chunk. */
export function splitAttention(
  { spans, rows, ...heads }: Omit<SpanCase, "lastQuery">,
  dtype: Dtype = "f32",
): KernelCase {
  const { round, input, output } = storage(dtype);
  const T = spans.length / 4;
  const shape = { ...heads, T };
  const { headDim, kvHeads } = shape;
  const random = new Random(6, T, headDim);
  const normal = (length: number) => round(random.normal(length));
  const inputs: QueryKeyValue = {
    q: normal(T * heads.heads * headDim),
    k: normal(rows * kvHeads * headDim),
    v: normal(rows * kvHeads * headDim),
  };
  const { o, lse } = attentionForward(inputs, spans, shape);
  const chunks = Math.ceil(rows / KEY_CHUNK);
  const initial = random.normal(T * heads.heads * chunks * (headDim + 4));
  const reference = attentionChunks(inputs, spans, shape, { size: KEY_CHUNK, chunks, initial });
  const chunk = { kernel: "attention.forward_chunk" };
  const { moved, scatter } = scattered(rows, kvHeads * headDim);
  const [k, v] = [inputs.k, inputs.v].map((data) => input(scatter(data)));
  return {
    inputs: { spans, moved, q: input(inputs.q), k, v },
    outputs: {
      // subgroup matrices have their weights in f16
      partials: { ...chunk, reference, initial, isRounded: dtype === "f16" },
      o: { kernel: "attention.forward_merge", reference: o, ...output },
      lse: { kernel: "attention.forward_merge", reference: lse },
    },
    dispatch: (ops, { spans, moved, q, k, v, o, lse, partials }) =>
      ops.attention.forward({ spans, moved, q, k, v, o, lse }, T, shape, {
        isDecoding: true,
        keyChunks: { partials, chunks },
      }),
  };
}

/**
 * `scale` is the standard deviation of q: the larger, the more the softmax commits itself; `isDecoding` as its spans
 * say. With `factors` "f16" gradients are made from factors so rounded: do, and p or ds. Either rounding errs by 2e-4
 * of what is made with it (root mean square: 2^-10 / sqrt(12) over numbers of all mantissas), both by 2.9e-4.
 */
export function attention(
  { spans, lastQuery, rows, ...heads }: SpanCase,
  { scale = 1, dtype = "f32" as Dtype, isDecoding = false, factors = "f32" as Dtype } = {},
): KernelCase[] {
  const { round, input, output } = storage(dtype);
  const T = spans.length / 4;
  const shape = { ...heads, T };
  const { headDim, kvHeads } = shape;
  const random = new Random(5, T, headDim);
  const inputs: QueryKeyValue = {
    q: round(random.normal(T * heads.heads * headDim, scale)),
    k: round(random.normal(rows * kvHeads * headDim)),
    v: round(random.normal(rows * kvHeads * headDim)),
  };
  const stored = { q: input(inputs.q), k: input(inputs.k), v: input(inputs.v) };
  const { o, lse } = attentionForward(inputs, spans, shape);
  const { moved, scatter } = scattered(rows, kvHeads * headDim);
  const [cachedK, cachedV] = [inputs.k, inputs.v].map((data) => input(scatter(data)));
  const forward: KernelCase = {
    inputs: { spans, moved, q: stored.q, k: cachedK, v: cachedV },
    outputs: {
      o: { kernel: "attention.forward", reference: o, ...output },
      lse: { kernel: "attention.forward", reference: lse },
    },
    dispatch: (ops, { spans, moved, q, k, v, o, lse }) =>
      ops.attention.forward({ spans, moved, q, k, v, o, lse }, T, shape, { isDecoding }),
  };
  if (!lastQuery) return [forward];
  const upstream = random.normal(o.length);
  const { delta, q, k, v } = attentionBackward(
    upstream,
    inputs,
    { o: round(o), lse },
    spans,
    shape,
  );
  const softmax = Float64Array.from({ length: 2 * lse.length }, (_, i) =>
    i % 2 === 0 ? lse[i / 2] : delta[(i - 1) / 2],
  );
  const isRounded = factors === "f16";
  const largest = isRounded ? largestNumbers(upstream, inputs.v, shape) : [];
  const allowed = { upstream, isRounded };
  const saved = { moved: new Uint32Array(moved.length), ...stored, o: input(round(o)), lse };
  const backward: KernelCase = {
    inputs: { spans, last_query: withPositions(lastQuery, spans), ...saved, d_o: upstream },
    outputs: {
      softmax: {
        kernel: "attention.backward_delta",
        reference: Float64Array.of(...softmax, ...largest),
        ...allowed,
      },
      dq: { kernel: "attention.backward_query", reference: q, ...allowed },
      dk: { kernel: "attention.backward_key", reference: k, ...allowed },
      dv: { kernel: "attention.backward_key", reference: v, ...allowed },
    },
    dispatch: (ops, { spans, moved, last_query, q, k, v, o, lse, d_o, softmax, dq, dk, dv }) =>
      ops.attention.backward(
        { spans, moved, last_query, q, k, v, o, lse, d_o, softmax, dq, dk, dv },
        T,
        shape,
      ),
  };
  return [forward, backward];
}

/** For ROW_CHUNK tokens and head at a time, the largest sum of |do| over a row and the largest |v|. */
function largestNumbers(
  upstream: Float64Array,
  v: Float64Array,
  { T, heads, kvHeads, headDim }: HeadShape,
): Float64Array {
  const largest = new Float64Array(softmaxLength(T, heads) - 2 * T * heads);
  for (let row = 0; row < T * heads; row++) {
    const [t, head] = [Math.floor(row / heads), row % heads];
    const value = t * kvHeads + Math.floor(head / (heads / kvHeads));
    const sizes = upstream.subarray(row * headDim, (row + 1) * headDim).map(Math.abs);
    const values = v.subarray(value * headDim, (value + 1) * headDim).map(Math.abs);
    const at = 2 * (Math.floor(t / ROW_CHUNK) * heads + head);
    largest[at] = Math.max(
      largest[at],
      sizes.reduce((a, b) => a + b),
    );
    largest[at + 1] = Math.max(largest[at + 1], ...values);
  }
  return largest;
}

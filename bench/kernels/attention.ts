import type { Tensor } from "../../lib/gpu/memory.ts";
import { allocateKeyChunks } from "../../lib/model/ops/attention.ts";
import { softmaxLength } from "../../lib/model/ops/heads.ts";
import { causalSpans, type ModelShape } from "../shapes.ts";
import type { KernelCase, Space } from "./kernel.ts";

/**
 * Causal attention over one sequence. Counted as usual: 4 operations for each head, element, query and
 * seen key forward, 2.5 times that backward, where the scores are computed again.
 */
export function learningAttention(model: ModelShape, T: number): KernelCase[] {
  const { heads, headDim } = model;
  const operations = 4 * heads * headDim * ((T * (T + 1)) / 2);
  return [
    {
      name: "attention, forward",
      rows: T,
      perLayer: 1,
      make(space) {
        const tensors = sequence(space, model, T);
        const { q, k, v, o, lse } = tensors;
        const record = () => space.ops.attention.forward(tensors, T, model);
        return { operations, reads: [q, k, v], writes: [o, lse], record };
      },
    },
    {
      name: "attention, backward",
      rows: T,
      perLayer: 1,
      make(space) {
        const t = { ...sequence(space, model, T), ...sequenceGradients(space, model, T) };
        const { q, k, v, o, lse, d_o, softmax, dq, dk, dv } = t;
        const record = () => space.ops.attention.backward(t, T, model);
        const reads = [q, k, v, o, lse, d_o, softmax];
        return { operations: 2.5 * operations, reads, writes: [dk, dv, dq, softmax], record };
      },
    },
  ];
}

/** A query for each of `rows` sequences, every one with `context` keys in the cache. */
export const decodingAttention = (
  model: ModelShape,
  rows: number,
  context: number,
): KernelCase => ({
  name: `attention over ${context} keys`,
  rows,
  perLayer: 0,
  make(space) {
    const { heads, kvHeads, headDim } = model;
    const spans = new Uint32Array(4 * rows);
    for (let i = 0; i < rows; i++) spans.set([0, 0, i * context, (i + 1) * context], 4 * i);
    const cache = () => space.tensor("cache", rows * context * kvHeads * headDim, space.dtype);
    const [k, v] = [cache(), cache()];
    const query = () => space.tensor("queries", rows * heads * headDim, space.dtype);
    const [q, o] = [query(), query()];
    const lse = space.tensor("lse", rows * heads);
    const moved = space.indices("moved", new Uint32Array(rows * context));
    const tensors = { spans: space.indices("spans", spans), moved, q, k, v, o, lse };
    const { splitQueries } = space.gpu.variants;
    const keyChunks = allocateKeyChunks(space, model, rows, context, splitQueries);
    const step = { isDecoding: true, keyChunks };
    const record = () => space.ops.attention.forward(tensors, rows, model, step);
    const operations = 4 * rows * context * heads * headDim;
    return { operations, reads: [q, k, v], writes: [o], record };
  },
});

function sequence(space: Space, { heads, kvHeads, headDim }: ModelShape, T: number) {
  const stored = (name: string, width: number): Tensor =>
    space.tensor(name, T * width * headDim, space.dtype);
  return {
    spans: space.indices("spans", causalSpans(T)),
    moved: space.indices("moved", new Uint32Array(T)),
    q: stored("q", heads),
    k: stored("k", kvHeads),
    v: stored("v", kvHeads),
    o: stored("o", heads),
    lse: space.tensor("lse", T * heads),
  };
}

function sequenceGradients(space: Space, { heads, kvHeads, headDim }: ModelShape, T: number) {
  const gradient = (name: string, width: number) => space.tensor(name, T * width * headDim);
  return {
    last_query: space.indices("last queries", new Uint32Array(2 * T).fill(T)),
    d_o: gradient("d_o", heads),
    softmax: space.tensor("softmax", softmaxLength(T, heads)),
    dq: gradient("dq", heads),
    dk: gradient("dk", kvHeads),
    dv: gradient("dv", kvHeads),
  };
}

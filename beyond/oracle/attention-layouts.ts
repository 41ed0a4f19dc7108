import type { Tensor } from "../../lib/gpu/memory.ts";
import { allocateKeyChunks, type DecodingStep } from "../../lib/model/ops/attention.ts";
import type { Ops } from "../../lib/model/ops.ts";
import type { SystemGpu } from "../platform/gpu.ts";
import { type Dtype, elementBytes } from "../storage/precision.ts";
import { Random } from "./random.ts";

/** A prompt and two completions, as learning packs them. */
const [PROMPT, COMPLETIONS] = [241, [40, 3]];
const TOKENS = PROMPT + 43;
/** Rows of the cache in decoding: where the prompt lies, and where each completion. */
const CACHE_ROWS = 320;
const [PROMPT_ROW, OWN_ROWS] = [5, [270, 250]];

/**
 * Batch invariance of attention, tried: the share of outputs whose bits are others in decoding (one token of
 * each sequence, its keys in a cache, also split by chunks of keys) or alone than in learning (the whole batch
 * packed). 0 is as it must be.
 * @param others computes what is compared with the packed batch; `headDim` is that of both
 */
export async function attentionDifferences(
  gpu: SystemGpu,
  headDim: number,
  ops: Ops,
  others = ops,
  dtype: Dtype = "f32",
) {
  const shape = { heads: 6, kvHeads: 2, headDim };
  const width = shape.heads * headDim;
  const keyWidth = shape.kvHeads * headDim;
  const made: Tensor[] = [];
  const tensor = (name: string, data: Float64Array | Uint32Array) => {
    const filled = gpu.allocate("buffers", name, data.length);
    gpu.upload(filled, data instanceof Uint32Array ? data : Float32Array.from(data));
    made.push(filled);
    return filled;
  };
  const stored = (name: string, data: Float64Array) => {
    if (dtype === "f32") return tensor(name, data);
    const filled = gpu.allocate("buffers", name, data.length, 2);
    gpu.upload(filled, new Uint32Array(Float16Array.from(data).buffer));
    made.push(filled);
    return filled;
  };
  const words = (width * elementBytes(dtype)) / 4; // of a row of o
  const random = new Random(43);
  const q = random.normal(TOKENS * width, 2);
  const [k, v] = [random.normal(TOKENS * keyWidth), random.normal(TOKENS * keyWidth)];
  const forward = async (
    { attention }: Ops,
    { q, k, v }: Record<"q" | "k" | "v", Float64Array>,
    spans: number[],
    step?: DecodingStep,
  ) => {
    const tokens = spans.length / 4;
    const inputs = {
      spans: tensor("spans", Uint32Array.from(spans)),
      moved: tensor("moved", new Uint32Array(Math.max(TOKENS, CACHE_ROWS))),
    };
    const o = stored("o", new Float64Array(tokens * width));
    const lse = tensor("lse", new Float64Array(tokens * shape.heads));
    const tensors = { ...inputs, q: stored("q", q), k: stored("k", k), v: stored("v", v), o, lse };
    attention.forward(tensors, tokens, shape, step);
    return [
      ...(await gpu.read(o, new Uint32Array(tokens * words))),
      ...(await gpu.read(lse, new Uint32Array(tokens * shape.heads))),
    ];
  };

  // Learning: the prompt's rows, then those of the completions, which see it as their prefix.
  const spans: number[] = [];
  const lasts: number[] = [];
  for (let t = 0; t < PROMPT; t++) spans.push(0, 0, 0, t + 1);
  for (const length of COMPLETIONS) {
    const first = spans.length / 4;
    for (let t = first; t < first + length; t++) spans.push(0, PROMPT, first, t + 1);
    lasts.push(first + length - 1);
  }
  const packed = await forward(ops, { q, k, v }, spans);
  const rowOf = (outputs: number[], row: number, tokens: number) => [
    ...outputs.slice(row * words, (row + 1) * words),
    ...outputs.slice(tokens * words + row * shape.heads, tokens * words + (row + 1) * shape.heads),
  ];
  const among = lasts.map((row) => rowOf(packed, row, TOKENS));

  // Decoding: the last token of each completion, its keys and the prompt's elsewhere in a cache.
  const queries = new Float64Array(lasts.length * width);
  lasts.forEach((row, i) => {
    queries.set(q.subarray(row * width, (row + 1) * width), i * width);
  });
  const cached = (from: Float64Array) => {
    const cache = new Float64Array(CACHE_ROWS * keyWidth).fill(1e3);
    const copy = (first: number, rows: number, to: number) =>
      cache.set(from.subarray(first * keyWidth, (first + rows) * keyWidth), to * keyWidth);
    copy(0, PROMPT, PROMPT_ROW);
    COMPLETIONS.forEach((length, i) => {
      copy(lasts[i] + 1 - length, length, OWN_ROWS[i]);
    });
    return cache;
  };
  const cacheSpans = COMPLETIONS.map((length, i) => [
    ...[PROMPT_ROW, PROMPT_ROW + PROMPT],
    ...[OWN_ROWS[i], OWN_ROWS[i] + length],
  ]);
  const cache = { k: cached(k), v: cached(v) };
  const inputs = { q: queries, ...cache };
  const isDecoding = true;
  const decoded = await forward(others, inputs, cacheSpans.flat(), { isDecoding });
  const { splitQueries } = gpu.variants;
  const keyChunks = allocateKeyChunks(gpu, shape, lasts.length, CACHE_ROWS, splitQueries);
  const split = await forward(others, inputs, cacheSpans.flat(), { isDecoding, keyChunks });
  if (keyChunks) made.push(keyChunks.partials);
  // Alone: the same, one token at a time.
  const differing = { decoding: 0, split: 0, alone: 0 };
  for (const [i, expected] of among.entries()) {
    const query = queries.subarray(i * width, (i + 1) * width);
    const alone = await forward(others, { q: query, ...cache }, cacheSpans[i]);
    const count = (bits: number[]) => expected.filter((bit, j) => bit !== bits[j]).length;
    differing.decoding += count(rowOf(decoded, i, lasts.length));
    differing.split += count(rowOf(split, i, lasts.length));
    differing.alone += count(alone);
  }
  gpu.free(made);
  const outputs = among.flat().length;
  return {
    decoding: differing.decoding / outputs,
    split: differing.split / outputs,
    alone: differing.alone / outputs,
  };
}

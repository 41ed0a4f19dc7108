import type { Array as JaxArray } from "@jax-js/jax";
import { makeOps } from "../../beyond/kernels/ops.ts";
import type { SystemGpu } from "../../beyond/platform/gpu.ts";
import type { Dtype } from "../../beyond/storage/precision.ts";
import { type HeadShape, softmaxLength } from "../../lib/model/ops/heads.ts";
import { causalSpans } from "../shapes.ts";
import { type Named, randomValues, type Task } from "./contest.ts";
import type { Jax } from "./jax.ts";
import { make, type OurTask, upload } from "./ours.ts";

/** Causal softmax-attention over one sequence, with the heads of a model. */
export function attentionTask(
  name: string,
  T: number,
  { heads, kvHeads, headDim }: HeadShape,
  direction: "forward" | "forward and backward",
  dtype: Dtype = "f32",
): Task {
  const shape = { heads, kvHeads, headDim };
  const [queries, keys] = [
    [T, heads, headDim],
    [T, kvHeads, headDim],
  ];
  const inputs: Task["inputs"] = {
    q: randomValues(1, queries),
    k: randomValues(2, keys),
    v: randomValues(3, keys),
  };
  const backward = direction !== "forward";
  if (backward) inputs.d_o = randomValues(4, queries);
  return {
    name: `${name} (${heads} heads of ${headDim}, ${kvHeads} of keys), ${direction}`,
    dtype,
    inputs,
    ours: (gpu, values) => ours(gpu, values, T, shape, backward, dtype),
    jax: (jax, { q, k, v, d_o }): Named<JaxArray> => {
      const attend = (q: JaxArray, k: JaxArray, v: JaxArray) => causalAttention(jax, q, k, v);
      if (!backward) return { o: attend(q, k, v) };
      const [o, pullBack] = jax.vjp(attend, [q, k, v]);
      const [dq, dk, dv] = pullBack(d_o);
      pullBack.dispose();
      return { o, dq, dk, dv };
    },
    torch: { op: "attention", settings: { backward: Number(backward) } },
  };
}

/**
 * q[T, H, D], k and v[T, KV, D] to o[T, H, D]. With the queries that share keys in a group of their own:
 * jax.nn.dotProductAttention repeats keys and values instead, and is at most 5 % faster (nine heads of 64)
 * and up to 1.8 times slower (four of 16).
 */
export function causalAttention(
  { numpy: np, nn }: Jax,
  q: JaxArray,
  k: JaxArray,
  v: JaxArray,
): JaxArray {
  const [T, heads, headDim] = q.shape;
  const kvHeads = k.shape[1];
  const grouped = q.reshape([T, kvHeads, heads / kvHeads, headDim]);
  const scores = np.einsum("tkgd,skd->kgts", grouped, k).mul(1 / Math.sqrt(headDim));
  const seen = np.tri(T, T, 0, { dtype: np.bool });
  const weights = nn.softmax(np.where(seen, scores, -Infinity), -1);
  return np.einsum("kgts,skd->tkgd", weights, v).reshape([T, heads, headDim]);
}

function ours(
  gpu: SystemGpu,
  inputs: Task["inputs"],
  T: number,
  shape: HeadShape,
  backward: boolean,
  dtype: Dtype,
): OurTask {
  const { heads, kvHeads, headDim } = shape;
  const { attention } = makeOps(gpu, headDim);
  const spans = gpu.allocate("buffers", "spans", 4 * T);
  gpu.upload(spans, causalSpans(T));
  const moved = gpu.allocate("buffers", "moved", T);
  const last_query = gpu.allocate("buffers", "last queries", 2 * T);
  gpu.upload(last_query, new Uint32Array(2 * T).fill(T));
  const stored = (name: string) => upload(gpu, name, inputs[name].data, dtype);
  const forward = {
    spans,
    moved,
    q: stored("q"),
    k: stored("k"),
    v: stored("v"),
    o: make(gpu, "o", T * heads * headDim, dtype),
    lse: make(gpu, "lse", T * heads),
  };
  const { o } = forward;
  if (!backward) {
    return { record: () => attention.forward(forward, T, shape), outputs: { o } };
  }
  const dk = make(gpu, "dk", T * kvHeads * headDim);
  const dv = make(gpu, "dv", T * kvHeads * headDim);
  const dq = make(gpu, "dq", T * heads * headDim);
  const both = {
    ...forward,
    last_query,
    d_o: upload(gpu, "d_o", inputs.d_o.data),
    softmax: make(gpu, "softmax", softmaxLength(T, heads)),
    dq,
    dk,
    dv,
  };
  const record = () => {
    attention.forward(forward, T, shape);
    attention.backward(both, T, shape);
  };
  return { record, outputs: { o, dq, dk, dv } };
}

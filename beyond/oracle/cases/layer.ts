import type { Dtype } from "../../storage/precision.ts";
import { Random } from "../random.ts";
import { rmsnormBackwardInput, rmsnormBackwardWeight, rmsnormForward } from "../rmsnorm.ts";
import { type SwigluShape, swigluBackward, swigluForward } from "../swiglu.ts";
import { inChunks, type KernelCase, storage } from "./case.ts";

/** Norms of rows in f32, stored as `dtype`, and one added to a residual stream; ops add `offset` to weights. */
export function rmsnorm(
  shape: { T: number; d: number },
  dtype: Dtype = "f32",
  offset = 0,
): KernelCase[] {
  const { T, d } = shape;
  const random = new Random(3, T, d);
  const epsilon = Math.fround(1e-2);
  const x = random.normal(T * d);
  const stored = random.normal(d, 0.3, 1 - offset);
  const w = stored.map((value) => value + offset);
  const [dy, dxBefore, dwBefore] = [T * d, T * d, d].map((length) => random.normal(length));
  const added = random.normal(T * d);
  const ones = new Float64Array(d).fill(1);
  const scaled = rmsnormForward(x, ones, epsilon, shape);
  // x r / x, from the largest element of the row, which is not 0.
  const inverseRms = Float64Array.from({ length: T }, (_, t) => {
    const row = x.subarray(t * d, (t + 1) * d);
    const at = row.reduce(
      (best, value, i) => (Math.abs(value) > Math.abs(row[best]) ? i : best),
      0,
    );
    return scaled[t * d + at] / row[at];
  });
  const partial = inChunks(T, d, (first, rows) => {
    const part = (of: Float64Array) => of.subarray(first * d, (first + rows) * d);
    return rmsnormBackwardWeight(part(dy), part(x), epsilon, { T: rows, d });
  });
  const upstream = dy;
  const y = rmsnormForward(x, w, epsilon, shape);
  const inStream: KernelCase = {
    inputs: { x, w: stored, added },
    outputs: {
      y: { kernel: "rmsnorm.forward_add", reference: y.map((value, i) => value + added[i]) },
      inverse_rms: { kernel: "rmsnorm.forward_add", reference: inverseRms },
    },
    dispatch: (ops, { x, w, y, inverse_rms, added }) =>
      ops.rmsnorm.forward({ x, w, y, inverse_rms, added }, T, d, epsilon),
  };
  const forward: KernelCase = {
    inputs: { x, w: stored },
    outputs: {
      y: { kernel: "rmsnorm.forward", reference: y, ...storage(dtype).output },
      inverse_rms: { kernel: "rmsnorm.forward", reference: inverseRms },
    },
    dispatch: (ops, { x, w, y, inverse_rms }) =>
      ops.rmsnorm.forward({ x, w, y, inverse_rms }, T, d, epsilon),
  };
  const backward: KernelCase = {
    inputs: { x, w: stored, dy, inverse_rms: inverseRms },
    outputs: {
      dx: {
        kernel: "rmsnorm.backward_input",
        reference: rmsnormBackwardInput(dy, x, w, epsilon, shape, dxBefore),
        initial: dxBefore,
        upstream,
      },
      partial: { kernel: "rmsnorm.backward_weight", reference: partial, upstream },
      dw: {
        kernel: "rmsnorm.reduce_weight",
        reference: rmsnormBackwardWeight(dy, x, epsilon, shape, dwBefore),
        initial: dwBefore,
        upstream,
      },
    },
    dispatch: (ops, { x, w, inverse_rms, dy, dx, dw, partial }) =>
      ops.rmsnorm.backward({ x, w, inverse_rms, dy, dx, dw, partial }, T, d),
  };
  return [forward, backward, inStream];
}

/**
 * Norms of some heads of each token: `heads` of width d from element `first` of `stride`. Backward, the
 * gradient becomes that of the heads in place; what lies beside the heads stays.
 */
export function headNorm(
  shape: { T: number; d: number },
  at: { heads: number; stride: number; first: number },
  dtype: Dtype = "f32",
): KernelCase[] {
  const { round, input, output } = storage(dtype);
  const { T, d } = shape;
  const rows = { T: T * at.heads, d };
  const random = new Random(13, T, d, at.heads);
  const epsilon = Math.fround(1e-2);
  const [x, beside] = [1, 1].map(() => round(random.normal(T * at.stride)));
  const dy = random.normal(T * at.stride);
  const [w, dwBefore] = [random.normal(d, 0.3, 1), random.normal(d)];
  const place = (i: number) => {
    const row = Math.floor(i / d);
    const token = Math.floor(row / at.heads);
    return token * at.stride + at.first + (row % at.heads) * d + (i % d);
  };
  const taken = (from: Float64Array) =>
    Float64Array.from({ length: rows.T * d }, (_, i) => from[place(i)]);
  const put = (values: Float64Array, into: Float64Array) => {
    const out = into.slice();
    values.forEach((value, i) => {
      out[place(i)] = value;
    });
    return out;
  };
  const [heads, upstream] = [taken(x), taken(dy)];
  const inverseRms = Float64Array.from({ length: rows.T }, (_, row) => {
    const squares = heads.subarray(row * d, (row + 1) * d).reduce((sum, v) => sum + v * v, 0);
    return 1 / Math.sqrt(squares / d + epsilon);
  });
  const partial = inChunks(rows.T, d, (first, count) => {
    const part = (of: Float64Array) => of.subarray(first * d, (first + count) * d);
    return rmsnormBackwardWeight(part(upstream), part(heads), epsilon, { T: count, d });
  });
  const y = put(rmsnormForward(heads, w, epsilon, rows), beside);
  const dx = put(rmsnormBackwardInput(upstream, heads, w, epsilon, rows), dy);
  const dw = rmsnormBackwardWeight(upstream, heads, epsilon, rows, dwBefore);
  return [
    {
      inputs: { x: input(x), w },
      outputs: {
        y: { kernel: "rmsnorm.forward", reference: y, initial: input(beside), ...output },
        inverse_rms: { kernel: "rmsnorm.forward", reference: inverseRms },
      },
      dispatch: (ops, { x, w, y, inverse_rms }) =>
        ops.rmsnorm.forward({ x, w, y, inverse_rms }, T, d, epsilon, at),
    },
    {
      inputs: { x: input(x), w, inverse_rms: inverseRms },
      outputs: {
        dy: { kernel: "rmsnorm.backward_in_place", reference: dx, initial: dy, upstream },
        partial: { kernel: "rmsnorm.backward_weight", reference: partial, upstream },
        dw: { kernel: "rmsnorm.reduce_weight", reference: dw, initial: dwBefore, upstream },
      },
      dispatch: (ops, { x, w, inverse_rms, dy, dw, partial }) =>
        ops.rmsnorm.backwardHeads({ x, w, inverse_rms, dy, dw, partial }, T, d, at),
    },
  ];
}

export function swiglu(
  shape: SwigluShape,
  { scale = 2, dtype = "f32" as Dtype } = {},
): KernelCase[] {
  const { T, ff } = shape;
  const { round, input, output } = storage(dtype);
  const random = new Random(6, T, ff);
  const gateUp = round(random.normal(T * 2 * ff, scale));
  const upstream = random.normal(T * ff);
  const gradient = swigluBackward(upstream, gateUp, shape);
  return [
    {
      inputs: { gate_up: input(gateUp) },
      outputs: {
        a: { kernel: "swiglu.forward", reference: swigluForward(gateUp, shape), ...output },
      },
      dispatch: (ops, { gate_up, a }) => ops.swiglu.forward({ gate_up, a }, T, ff),
    },
    {
      inputs: { gate_up: input(gateUp), da: upstream },
      outputs: { d_gate_up: { kernel: "swiglu.backward", reference: gradient, upstream } },
      dispatch: (ops, { gate_up, da, d_gate_up }) =>
        ops.swiglu.backward({ gate_up, da, d_gate_up }, T, ff),
    },
  ];
}

import { RMSNORM_CHUNK, rmsnormPartialLength } from "../../model/ops.ts";
import { Random } from "../random.ts";
import { rmsnormBackwardInput, rmsnormBackwardWeight, rmsnormForward } from "../rmsnorm.ts";
import { swigluBackward, swigluForward } from "../swiglu.ts";
import type { KernelCase } from "./case.ts";

/** Sums over the rows of each chunk, by the oracle's own sum over a chunk alone. */
function inChunks(T: number, d: number, sum: (first: number, rows: number) => Float64Array) {
  const partial = new Float64Array(rmsnormPartialLength(T, d));
  for (let first = 0; first < T; first += RMSNORM_CHUNK) {
    const rows = Math.min(RMSNORM_CHUNK, T - first);
    partial.set(sum(first, rows), (first / RMSNORM_CHUNK) * d);
  }
  return partial;
}

export function rmsnorm(shape: { T: number; d: number }): KernelCase[] {
  const { T, d } = shape;
  const random = new Random(3, T, d);
  const epsilon = Math.fround(1e-2);
  const x = random.normal(T * d);
  const w = random.normal(d, 0.3, 1);
  const [dy, dxBefore, dwBefore] = [T * d, T * d, d].map((length) => random.normal(length));
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
  const forward: KernelCase = {
    inputs: { x, w },
    outputs: {
      y: { kernel: "rmsnorm.forward", reference: rmsnormForward(x, w, epsilon, shape) },
      inverse_rms: { kernel: "rmsnorm.forward", reference: inverseRms },
    },
    dispatch: (ops, { x, w, y, inverse_rms }) =>
      ops.rmsnorm({ x, w, y, inverse_rms }, T, d, epsilon),
  };
  const backward: KernelCase = {
    inputs: { x, w, dy, inverse_rms: inverseRms },
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
      ops.rmsnormBackward({ x, w, inverse_rms, dy, dx, dw, partial }, T, d),
  };
  return [forward, backward];
}

export function swiglu(shape: { T: number; ff: number }, scale = 2): KernelCase[] {
  const { T, ff } = shape;
  const random = new Random(6, T, ff);
  const gateUp = random.normal(T * 2 * ff, scale);
  const upstream = random.normal(T * ff);
  const gradient = swigluBackward(upstream, gateUp, shape);
  return [
    {
      inputs: { gate_up: gateUp },
      outputs: { a: { kernel: "swiglu.forward", reference: swigluForward(gateUp, shape) } },
      dispatch: (ops, { gate_up, a }) => ops.swiglu({ gate_up, a }, T, ff),
    },
    {
      inputs: { gate_up: gateUp, da: upstream },
      outputs: { d_gate_up: { kernel: "swiglu.backward", reference: gradient, upstream } },
      dispatch: (ops, { gate_up, da, d_gate_up }) =>
        ops.swigluBackward({ gate_up, da, d_gate_up }, T, ff),
    },
  ];
}

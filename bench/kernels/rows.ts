import { rowPartialLength } from "../../lib/model/ops/kernels.ts";
import { causalSpans, type ModelShape, qkvWidth } from "../shapes.ts";
import type { KernelCase, Space } from "./kernel.ts";

/** What a layer does to rows of T tokens beside products and attention. */
export function rowKernels(model: ModelShape, T: number): KernelCase[] {
  return [...normKernels(model, T), ...ropeKernels(model, T), ...swigluKernels(model, T)];
}

function normKernels({ hidden }: ModelShape, T: number): KernelCase[] {
  const tensors = (space: Space) => ({
    x: space.tensor("x", T * hidden),
    w: space.tensor("w", hidden),
    inverse_rms: space.tensor("inverse rms", T),
  });
  return [
    {
      name: `rmsnorm ${hidden}, forward`,
      rows: T,
      perLayer: 2,
      make(space) {
        const { x, w, inverse_rms } = tensors(space);
        const y = space.tensor("y", T * hidden, space.dtype);
        const record = () => space.ops.rmsnorm.forward({ x, w, y, inverse_rms }, T, hidden, 1e-6);
        return { operations: 4 * T * hidden, reads: [x, w], writes: [y, inverse_rms], record };
      },
    },
    {
      name: `rmsnorm ${hidden}, backward`,
      rows: T,
      perLayer: 2,
      make(space) {
        const { x, w, inverse_rms } = tensors(space);
        const [dy, dx] = [space.tensor("dy", T * hidden), space.tensor("dx", T * hidden)];
        const dw = space.tensor("dw", hidden);
        const partial = space.tensor("partial", rowPartialLength(T, hidden));
        const given = { x, w, inverse_rms, dy, dx, dw, partial };
        const record = () => space.ops.rmsnorm.backward(given, T, hidden);
        const reads = [x, w, inverse_rms, dy, dx, dw];
        return { operations: 10 * T * hidden, reads, writes: [dx, dw], record };
      },
    },
  ];
}

function ropeKernels(model: ModelShape, T: number): KernelCase[] {
  const { heads, kvHeads, headDim } = model;
  const elements = T * qkvWidth(model);
  const tensors = (space: Space) => ({
    spans: space.indices("spans", causalSpans(T)),
    moved: space.indices("moved", new Uint32Array(T)),
    table: space.tensor("table", T * headDim),
  });
  return [
    {
      name: "rope, forward",
      rows: T,
      perLayer: 1,
      make(space) {
        const { spans, moved, table } = tensors(space);
        const stored = (name: string, width: number) =>
          space.tensor(name, T * width * headDim, space.dtype);
        const [q, keys, values] = [stored("q", heads), stored("k", kvHeads), stored("v", kvHeads)];
        const qkv = space.tensor("qkv", elements, space.dtype);
        const given = { spans, moved, table, qk: qkv, qkv, q, keys, values };
        const record = () => space.ops.rope.forward(given, T, model);
        return { operations: 3 * elements, reads: [table, qkv], writes: [q, keys, values], record };
      },
    },
    {
      name: "rope, backward",
      rows: T,
      perLayer: 1,
      make(space) {
        const { spans, table } = tensors(space);
        const gradient = (name: string, width: number) => space.tensor(name, T * width * headDim);
        const [dq, dk, dv] = [gradient("q", heads), gradient("k", kvHeads), gradient("v", kvHeads)];
        const dqkv = space.tensor("dqkv", elements);
        const record = () => space.ops.rope.backward({ spans, table, dq, dk, dv, dqkv }, T, model);
        return { operations: 3 * elements, reads: [table, dq, dk, dv], writes: [dqkv], record };
      },
    },
    {
      name: "bias of q, k and v, backward",
      rows: T,
      perLayer: 0, // in Qwen2's layers alone
      make(space) {
        const columns = qkvWidth(model);
        const [dy, db] = [space.tensor("dy", elements), space.tensor("db", columns)];
        const partial = space.tensor("partial", rowPartialLength(T, columns));
        const record = () => space.ops.linear.backwardBias({ dy, db, partial }, T, columns);
        return { operations: elements, reads: [dy, db], writes: [db], record };
      },
    },
  ];
}

function swigluKernels({ ff }: ModelShape, T: number): KernelCase[] {
  return [
    {
      name: `swiglu ${ff}, forward`,
      rows: T,
      perLayer: 1,
      make(space) {
        const gate_up = space.tensor("gate and up", 2 * T * ff, space.dtype);
        const a = space.tensor("a", T * ff, space.dtype);
        const record = () => space.ops.swiglu.forward({ gate_up, a }, T, ff);
        return { operations: 5 * T * ff, reads: [gate_up], writes: [a], record };
      },
    },
    {
      name: `swiglu ${ff}, backward`,
      rows: T,
      perLayer: 1,
      make(space) {
        const gate_up = space.tensor("gate and up", 2 * T * ff, space.dtype);
        const [da, d_gate_up] = [space.tensor("da", T * ff), space.tensor("d", 2 * T * ff)];
        const record = () => space.ops.swiglu.backward({ gate_up, da, d_gate_up }, T, ff);
        return { operations: 11 * T * ff, reads: [gate_up, da], writes: [d_gate_up], record };
      },
    },
  ];
}

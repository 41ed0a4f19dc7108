import { ofFormat } from "../../../lib/model/ops/kernels.ts";
import { LARGEST_PARTS } from "../../kernels/matmul-family.ts";
import type { Dtype } from "../../storage/precision.ts";
import type { WeightFormat } from "../../storage/weight-formats.ts";
import { gatherBackward, gatherForward } from "../gather.ts";
import { matmulBackwardInput, matmulBackwardWeight, matmulForward } from "../matmul.ts";
import { Random } from "../random.ts";
import { type SwigluShape, swigluForward } from "../swiglu.ts";
import { cut, inChunks, joined, type KernelCase, type Output, storage, stored } from "./case.ts";

export interface LinearCase {
  T: number;
  K: number;
  N: number;
  /** Rows of W in one block; a multiple of 4. */
  blockRows?: number;
  /** Elements between the rows of y: N rounded up to a multiple of 4, or more. */
  yStride?: number;
  /** Of x and y, which are f32 by default. */
  x?: Dtype;
  y?: Dtype;
  /** What dy may be rounded to, as a share of its largest magnitude; not at all by default. */
  dy?: Dtype;
  /** Of W; f32 by default. */
  format?: WeightFormat;
}

/**
 * y += x W^T as LoRA adds it, from column `yColumn` of wider rows, and y = scale x W^T; dx += scale dy W.
 */
export function linearAdd(
  { T, K, N, format = "f32", ...dtypes }: LinearCase,
  yStride: number,
  yColumn: number,
): KernelCase {
  const random = new Random(14, T, K, N);
  const [ofX, ofY] = [storage(dtypes.x ?? "f32"), storage(dtypes.y ?? "f32")];
  const x = ofX.round(random.normal(T * K));
  const before = ofY.round(random.normal(T * yStride));
  const [original, upstream] = [N * K, T * N].map((n) => random.normal(n));
  const { blocks, values: w } = stored("w", original, K, N, format);
  const scale = 1.5;
  const product = matmulForward(x, w, { T, K, N });
  const y = before.slice();
  product.forEach((value, i) => {
    y[Math.floor(i / N) * yStride + yColumn + (i % N)] += value;
  });
  const dxBefore = random.normal(T * K);
  const dx = matmulBackwardInput(upstream, w, { T, K, N });
  return {
    inputs: { x: ofX.input(x), ...Object.fromEntries(blocks), dy: upstream, partial: noPartial() },
    outputs: {
      y: {
        kernel: `${ofFormat("matmul+add", format)}.forward`,
        reference: y,
        initial: ofY.input(before),
        ...ofY.output,
      },
      scaled: {
        kernel: `${ofFormat("matmul", format)}.forward`,
        reference: product.map((value) => scale * value),
      },
      dx: {
        kernel: `${ofFormat("matmul", format)}.backward_input`,
        reference: dx.map((value, i) => dxBefore[i] + scale * value),
        initial: dxBefore,
        upstream,
        isRounded: dtypes.dy === "f16",
      },
    },
    dispatch: (ops, t) => {
      const matrix = joined(t, "w", N, K, N, format);
      const [block] = matrix.blocks;
      ops.linear.forwardBlock({ x: t.x, y: t.y, add: true }, matrix, block, T, yStride, yColumn);
      ops.linear.forward({ x: t.x, y: t.scaled, scale }, matrix, T);
      const { x, dy, dx, partial } = t;
      ops.linear.backward({ x, dy, dx, partial, scale, add: true }, matrix, undefined, T);
    },
  };
}

/** y = x W^T (+ residual or bias), where the columns of y beyond N stay as they are. */
export function linearForward(shape: LinearCase, added?: "residual" | "bias"): KernelCase {
  const { T, K, N, blockRows = N, yStride = Math.ceil(N / 4) * 4, format = "f32" } = shape;
  const random = new Random(1, T, K, N);
  const [ofX, ofY] = [storage(shape.x ?? "f32"), storage(shape.y ?? "f32")];
  const x = ofX.round(random.normal(T * K));
  const original = random.normal(N * K);
  const { blocks, values: w } = stored("w", original, K, blockRows, format);
  const before = ofY.round(random.normal(T * yStride));
  const residual = random.normal(added === "bias" ? N : T * yStride);
  const y = before.slice();
  matmulForward(x, w, shape).forEach((value, i) => {
    const at = Math.floor(i / N) * yStride + (i % N);
    y[at] = value + (added ? residual[added === "bias" ? i % N : at] : 0);
  });
  const kernel = `${ofFormat(added ? "matmul+residual" : "matmul", format)}.forward`;
  return {
    inputs: { x: ofX.input(x), ...Object.fromEntries(blocks), residual },
    outputs: { y: { kernel, reference: y, initial: ofY.input(before), ...ofY.output } },
    dispatch: (ops, t) => {
      const tensors = { x: t.x, y: t.y, ...(added && { [added]: t.residual }) };
      ops.linear.forward(tensors, joined(t, "w", N, K, blockRows, format), T, yStride);
    },
  };
}

/** y = act(x G^T) * (x U^T), the 2 N rows of W being G and then U. */
export function linearSwiglu(
  shape: Omit<LinearCase, "blockRows" | "yStride"> & Pick<SwigluShape, "activation">,
): KernelCase {
  const { T, K, N, format = "f32", activation } = shape;
  const random = new Random(16, T, K, N);
  const [ofX, ofY] = [storage(shape.x ?? "f32"), storage(shape.y ?? "f32")];
  const x = ofX.round(random.normal(T * K));
  const { blocks, values: w } = stored("w", random.normal(2 * N * K), K, 2 * N, format);
  const gateUp = ofY.round(matmulForward(x, w, { T, K, N: 2 * N }));
  const kernel = `${ofFormat("matmul", format)}.forward_swiglu`;
  return {
    inputs: { x: ofX.input(x), ...Object.fromEntries(blocks) },
    outputs: {
      y: { kernel, reference: swigluForward(gateUp, { T, ff: N, activation }), ...ofY.output },
    },
    dispatch: (ops, t) => {
      ops.linear.forwardSwiglu({ x: t.x, y: t.y }, joined(t, "w", 2 * N, K, 2 * N, format), T);
    },
  };
}

/** dx = dy W, and for weights that may be trained dW += dy^T x, where the columns of dy beyond N are NaN. */
export function linearBackward(shape: LinearCase): KernelCase {
  const { T, K, N, blockRows = N, yStride = Math.ceil(N / 4) * 4, format = "f32" } = shape;
  const random = new Random(2, T, K, N);
  const ofX = storage(shape.x ?? "f32");
  const x = ofX.round(random.normal(T * K));
  const [original, upstream, before] = [N * K, T * N, N * K].map((n) => random.normal(n));
  const { blocks, values: w } = stored("w", original, K, blockRows, format);
  const dy = new Float64Array(T * yStride).fill(Number.NaN);
  for (let t = 0; t < T; t++) dy.set(upstream.subarray(t * N, (t + 1) * N), t * yStride);
  const dx = matmulBackwardInput(upstream, w, shape);
  const dw = matmulBackwardWeight(upstream, x, shape, before);
  const initial = cut("", before, K, blockRows);
  const made = { upstream, isRounded: shape.dy === "f16" };
  const outputs: Record<string, Output> = {
    dx: { kernel: `${ofFormat("matmul", format)}.backward_input`, reference: dx, ...made },
  };
  const trained = format === "f32" || format === "f16";
  if (trained)
    cut("dw", dw, K, blockRows).forEach(([name, reference], i) => {
      const kernel = "matmul.backward_weight";
      outputs[name] = { kernel, reference, initial: initial[i][1], ...made };
    });
  return {
    inputs: { x: ofX.input(x), ...Object.fromEntries(blocks), dy, partial: noPartial() },
    outputs,
    dispatch: (ops, { x, dy, dx, partial, ...t }) => {
      const matrix = joined(t, "w", N, K, blockRows, format);
      const gradient = trained ? joined(t, "dw", N, K, blockRows) : undefined;
      ops.linear.backward({ x, dy, dx, partial }, matrix, gradient, T, yStride);
    },
  };
}

/** Scratch of a product whose dy is rounded. */
const noPartial = () => new Float64Array(LARGEST_PARTS);

/** db += the sums of dy's columns. */
export function bias({ T, N }: { T: number; N: number }): KernelCase {
  const random = new Random(12, T, N);
  const dy = random.normal(T * N);
  const before = random.normal(N);
  const sum = (first: number, rows: number) =>
    Float64Array.from({ length: N }, (_, n) => {
      let total = 0;
      for (let t = first; t < first + rows; t++) total += dy[t * N + n];
      return total;
    });
  const db = sum(0, T).map((total, n) => before[n] + total);
  const partial = inChunks(T, N, sum);
  return {
    inputs: { dy },
    outputs: {
      partial: { kernel: "bias.backward", reference: partial, upstream: dy },
      db: { kernel: "bias.reduce", reference: db, initial: before, upstream: dy },
    },
    dispatch: (ops, { dy, db, partial }) => ops.linear.backwardBias({ dy, db, partial }, T, N),
  };
}

interface GatherCase {
  rows: number;
  d: number;
  M: number;
  /** Rows of the table in one block. */
  blockRows?: number;
  /** Of the table; f32 by default. */
  format?: WeightFormat;
  /** What is picked is multiplied by it. */
  scale?: number;
}

/** M rows of width d out of a table, and for tables in f32 the way back. */
export function gather(shape: GatherCase): KernelCase[] {
  const { rows, d, M, blockRows = rows, format = "f32", scale = 1 } = shape;
  const random = new Random(7, rows, d, M);
  const [original, before, upstream] = [rows * d, rows * d, M * d].map((n) => random.normal(n));
  const { blocks, values: table } = stored("table", original, d, blockRows, format);
  const index = random.integers(M, rows);
  const places = new Map<number, number[]>();
  index.forEach((row, m) => {
    places.set(row, [...(places.get(row) ?? []), m]);
  });
  const offset = [0];
  for (const list of places.values()) offset.push((offset.at(-1) as number) + list.length);
  const distinct = places.size;
  const initial = cut("", before, d, blockRows);
  const gradient = gatherBackward(upstream, index, d, before, scale);
  const forward: KernelCase = {
    inputs: { index, ...Object.fromEntries(blocks) },
    outputs: {
      out: {
        kernel: `${ofFormat("gather", format)}.forward`,
        reference: gatherForward(table, index, d, scale),
      },
    },
    dispatch: (ops, t) => {
      const matrix = joined(t, "table", rows, d, blockRows, format);
      ops.gather.forward({ index: t.index, out: t.out }, matrix, M, scale);
    },
  };
  if (format !== "f32") return [forward];
  const outputs: Record<string, Output> = {};
  cut("d_table", gradient, d, blockRows).forEach(([name, reference], i) => {
    outputs[name] = { kernel: "gather.backward", reference, initial: initial[i][1], upstream };
  });
  const backward: KernelCase = {
    inputs: {
      row: Uint32Array.from(places.keys()),
      offset: Uint32Array.from(offset),
      item: Uint32Array.from([...places.values()].flat()),
      d_out: upstream,
    },
    outputs,
    dispatch: (ops, { row, offset, item, d_out, ...t }) =>
      ops.gather.backward(
        { row, offset, item, d_out },
        joined(t, "d_table", rows, d, blockRows),
        distinct,
        scale,
      ),
  };
  return [forward, backward];
}

/** Everything that reads a frozen matrix W, in one of its formats. */
export function frozen(shape: LinearCase): KernelCase[] {
  const { T, K, N, blockRows, format } = shape;
  const whole = Math.ceil(N / 4) * 4;
  return [
    linearForward(shape),
    linearForward(shape, "residual"),
    linearForward(shape, "bias"),
    linearSwiglu({ T, K, N: whole, format }),
    linearAdd({ T, K, N: whole, format }, whole + 16, 12),
    linearBackward(shape),
    ...gather({ rows: N, d: K, M: T, blockRows, format }),
  ];
}

import { expect, test } from "bun:test";
import { LARGEST_PARTS } from "../../beyond/kernels/matmul-family.ts";
import { makeOps } from "../../beyond/kernels/ops.ts";
import { type Tensor, view } from "../../lib/gpu/memory.ts";
import type { Matrix } from "../../lib/model/matrix.ts";
import { testGpu } from "../kernels.ts";
import { expectClose } from "../oracle/compare.ts";

const gpu = await testGpu();
const ops = makeOps(gpu, 16);

/** A value for every place of a table, f32-exact and not periodic within it. */
const valueAt = (i: number) => ((Math.imul(i, 0x9e3779b1) >> 12) + 0.5) / 2 ** 19;

/** 160 MB: more than the 128 MiB that many adapters allow in a binding. */
const rows = 39_999;
const columns = 1000;

test("a table larger than one binding: gather and linear, forward and backward", async () => {
  const limit = Math.min(gpu.bindingLimit, 2 ** 27);
  const blockRows = Math.floor(limit / (columns * 4) / 64) * 64;
  expect(rows * columns * 4).toBeGreaterThan(limit);
  const table = gpu.allocate("weights", "table", rows * columns);
  const gradient = gpu.allocate("gradients", "table", rows * columns);
  const asMatrix = (whole: Tensor): Matrix => {
    const blocks: Matrix["blocks"][number][] = [];
    for (let firstRow = 0; firstRow < rows; firstRow += blockRows) {
      const count = Math.min(blockRows, rows - firstRow);
      const tensor = view(whole, "block", firstRow * columns, count * columns);
      blocks.push({ tensor, firstRow, rows: count });
    }
    return { rows, columns, format: "f32", blocks };
  };
  const [weight, dWeight] = [table, gradient].map(asMatrix);
  expect(weight.blocks.length).toBe(2);
  gpu.upload(
    table,
    Float32Array.from({ length: rows * columns }, (_, i) => valueAt(i)),
  );
  gpu.commands.clear(gradient);

  // The last row of the first block, the first of the second, and the very last.
  const index = Uint32Array.of(blockRows - 1, 0, blockRows, rows - 1, 12_345);
  const at = (name: string, data: Float32Array | Uint32Array) => {
    const tensor = gpu.allocate("buffers", name, data.length);
    gpu.upload(tensor, data);
    return tensor;
  };
  const poisoned = (name: string, length: number) =>
    at(name, new Float32Array(length).fill(Number.NaN));
  const out = poisoned("out", index.length * columns);
  ops.gather.forward({ index: at("index", index), out }, weight, index.length);
  const gathered = await gpu.read(out, new Float32Array(out.length));
  const expected = Float64Array.from(gathered, (_, i) =>
    valueAt(index[Math.floor(i / columns)] * columns + (i % columns)),
  );
  expectClose(gathered, expected, { relative: 0 });

  const x = Float64Array.from({ length: columns }, (_, i) => Math.fround(Math.sin(i)));
  const yStride = Math.ceil(rows / 4) * 4;
  const y = poisoned("y", yStride);
  ops.linear.forward({ x: at("x", Float32Array.from(x)), y }, weight, 1, yStride);
  const product = new Float64Array(rows);
  for (let n = 0; n < rows; n++) {
    for (let k = 0; k < columns; k++) product[n] += x[k] * valueAt(n * columns + k);
  }
  expectClose(await gpu.read(y, new Float32Array(rows)), product, { name: "y" });

  const dy = Float64Array.from({ length: yStride }, (_, i) => Math.fround(Math.cos(i)));
  const upstream = at("dy", Float32Array.from(dy));
  const dx = poisoned("dx", columns);
  const partial = poisoned("partial", LARGEST_PARTS);
  const tensors = { dy: upstream, x: at("x", Float32Array.from(x)), dx, partial };
  ops.linear.backward(tensors, weight, dWeight, 1, yStride);
  const dInput = new Float64Array(columns);
  for (let n = 0; n < rows; n++) {
    for (let k = 0; k < columns; k++) dInput[k] += dy[n] * valueAt(n * columns + k);
  }
  expectClose(await gpu.read(dx, new Float32Array(columns)), dInput, { name: "dx" });

  const one = { row: at("row", index.slice(2, 3)), offset: at("offset", Uint32Array.of(0, 1)) };
  ops.gather.backward({ ...one, item: at("item", Uint32Array.of(0)), d_out: dx }, dWeight, 1);
  for (const row of [0, blockRows - 1, blockRows, rows - 1]) {
    const actual = new Float32Array(columns);
    await gpu.read(view(gradient, "row", row * columns, columns), actual);
    const reference = x.map((value, k) => dy[row] * value + (row === blockRows ? dInput[k] : 0));
    expectClose(actual, reference, { name: `dW[${row}]` });
  }
  for (const tensor of [table, gradient]) tensor.buffer.destroy();
});

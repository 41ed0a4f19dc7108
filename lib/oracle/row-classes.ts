import type { Gpu } from "../gpu/device.ts";
import type { Matrix } from "../model/matrix.ts";
import type { Ops } from "../model/ops.ts";
import { Random } from "./random.ts";

/**
 * Batch invariance, tried: the share of outputs of a product of few rows whose bits differ from those of the
 * same rows among more, by entry point. 0 is as it must be, whatever the tiles that `ops` has for so many rows.
 * @param fewer makes the products of few rows
 */
export async function rowClassDifferences(gpu: Gpu, ops: Ops, fewer = ops) {
  const [most, K, N] = [80, 148, 76];
  const random = new Random(41);
  const make = (name: string, length: number) => gpu.allocate("buffers", name, length);
  const filled = (name: string, length: number) => {
    const tensor = make(name, length);
    gpu.upload(tensor, Float32Array.from(random.normal(length)));
    return tensor;
  };
  const [x, w, dy] = [filled("x", most * K), filled("w", N * K), filled("dy", most * N)];
  const [y, dx] = [make("y", most * N), make("dx", most * K)];
  const blocks: Matrix["blocks"] = [{ tensor: w, firstRow: 0, rows: N }];
  const weight: Matrix = { rows: N, columns: K, format: "f32", blocks };
  const products = async ({ linear }: Ops, rows: number) => {
    linear.forward({ x, y }, weight, rows);
    linear.backwardInput({ dy, dx }, weight, rows);
    return {
      forward: await gpu.read(y, new Uint32Array(rows * N)),
      backward_input: await gpu.read(dx, new Uint32Array(rows * K)),
    };
  };
  const shares = { forward: 0, backward_input: 0 };
  const among = await products(ops, most);
  for (const rows of [1, 17, 64]) {
    const alone = await products(fewer, rows);
    for (const entry of ["forward", "backward_input"] as const) {
      const differing = alone[entry].filter((bits, i) => bits !== among[entry][i]).length;
      shares[entry] = Math.max(shares[entry], differing / alone[entry].length);
    }
  }
  for (const { buffer } of [x, w, dy, y, dx]) buffer.destroy();
  return shares;
}

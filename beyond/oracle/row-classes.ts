import type { Matrix } from "../../lib/model/matrix.ts";
import type { Ops } from "../../lib/model/ops.ts";
import { LARGEST_PARTS } from "../kernels/matmul-family.ts";
import type { SystemGpu } from "../platform/gpu.ts";
import { type Dtype, elementBytes } from "../storage/precision.ts";
import { packValues, type WeightFormat } from "../storage/weight-formats.ts";
import { Random } from "./random.ts";

const ENTRIES = ["forward", "backward_input"] as const;
type Entry = (typeof ENTRIES)[number];

interface Options {
  /** Makes the products of few rows. */
  fewer?: Ops;
  entries?: readonly Entry[];
  /** Of W. */
  format?: WeightFormat;
  /** Of x and y. */
  dtype?: Dtype;
}

/**
 * Batch invariance, tried: the share of outputs of a product of few rows whose bits differ from those of the
 * same rows among more, by entry point. 0 is as it must be, whatever the tiles that `ops` has for so many rows.
 */
export async function rowClassDifferences(
  gpu: SystemGpu,
  ops: Ops,
  { fewer = ops, entries = ENTRIES, format = "f32", dtype = "f32" }: Options = {},
) {
  const [most, K, N] = [80, 160, 76];
  const random = new Random(41);
  const make = (name: string, length: number, of: Dtype = "f32") =>
    gpu.allocate("buffers", name, length, elementBytes(of));
  const normal = (length: number) => Float32Array.from(random.normal(length));
  const filled = (name: string, length: number) => {
    const tensor = make(name, length);
    gpu.upload(tensor, normal(length));
    return tensor;
  };
  const x = make("x", most * K, dtype);
  const values = normal(most * K);
  gpu.upload(x, dtype === "f16" ? new Uint32Array(Float16Array.from(values).buffer) : values);
  const words = packValues(normal(N * K), format, K);
  const w = make("w", words.length);
  gpu.upload(w, words);
  const dy = filled("dy", most * N);
  const [y, dx] = [make("y", most * N, dtype), make("dx", most * K)];
  const partial = make("partial", LARGEST_PARTS);
  const blocks: Matrix["blocks"] = [{ tensor: w, firstRow: 0, rows: N }];
  const weight: Matrix = { rows: N, columns: K, format, blocks };
  const product = ({ linear }: Ops, entry: Entry, rows: number) => {
    if (entry === "forward") {
      linear.forward({ x, y }, weight, rows);
      return gpu.read(y, new Uint32Array((rows * N * y.elementBytes) / 4));
    }
    linear.backward({ dy, x, dx, partial }, weight, undefined, rows);
    return gpu.read(dx, new Uint32Array(rows * K));
  };
  const shares = { forward: 0, backward_input: 0 };
  for (const entry of entries) {
    const among = await product(ops, entry, most);
    for (const rows of [1, 7, 17, 64]) {
      const alone = await product(fewer, entry, rows);
      const differing = alone.filter((bits, i) => bits !== among[i]).length;
      shares[entry] = Math.max(shares[entry], differing / alone.length);
    }
  }
  gpu.free([x, w, dy, y, dx, partial]);
  return shares;
}

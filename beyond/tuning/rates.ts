import type { Tensor } from "../../lib/gpu/memory.ts";
import type { Matrix } from "../../lib/model/matrix.ts";
import type { Product } from "../../lib/model/ops/linear.ts";
import type { Ops } from "../../lib/model/ops.ts";
import { LARGEST_PARTS, type MatmulShape } from "../kernels/matmul-family.ts";
import type { SystemGpu } from "../platform/gpu.ts";
import { type Dtype, elementBytes } from "../storage/precision.ts";
import { WEIGHT_FORMATS, type WeightFormat } from "../storage/weight-formats.ts";
import { bestSeconds } from "./measure.ts";

/** The tensors of one product, to measure it with any ops at up to `maxRows` rows; N is a multiple of 4. */
export class MatmulTrial {
  private readonly tensors: Tensor[] = [];
  private readonly record: (ops: Ops, T: number) => void;
  private readonly result: Tensor;

  constructor(
    private readonly gpu: SystemGpu,
    { product, K, N, format, dtype }: MatmulShape,
    maxRows: number,
  ) {
    const make = (name: string, length: number, of: Dtype = "f32") => {
      const tensor = gpu.allocate("buffers", name, length, elementBytes(of));
      this.tensors.push(tensor);
      return tensor;
    };
    const matrix = (format: WeightFormat): Matrix => {
      const tensor = make("w", N * WEIGHT_FORMATS[format].words(K));
      return { rows: N, columns: K, format, blocks: [{ tensor, firstRow: 0, rows: N }] };
    };
    if (product === "forward") {
      const [x, w] = [make("x", maxRows * K, dtype), matrix(format)];
      const y = make("y", maxRows * N, dtype);
      this.result = y;
      this.record = ({ linear }, T) => linear.forward({ x, y }, w, T);
      return;
    }
    const [dy, partial] = [make("dy", maxRows * N), make("partial", LARGEST_PARTS)];
    if (product === "backwardInput") {
      const [w, dx] = [matrix(format), make("dx", maxRows * K)];
      const x = make("x", 1, dtype); // is not read, but has the dtype
      this.result = dx;
      this.record = ({ linear }, T) => linear.backward({ dy, x, dx, partial }, w, undefined, T);
    } else {
      const [x, dw] = [make("x", maxRows * K, dtype), matrix("f32")];
      this.result = dw.blocks[0].tensor;
      this.record = ({ linear }, T) => linear.backward({ dy, x, partial }, dw, dw, T);
    }
  }

  /** Of the product of T rows. */
  seconds(ops: Ops, T: number, timing?: Parameters<typeof bestSeconds>[3]): Promise<number> {
    return bestSeconds(this.gpu, this.result, () => this.record(ops, T), timing);
  }

  free(): void {
    this.gpu.free(this.tensors);
  }
}

/** Floating-point operations a second of one product of x[T, K] and W[N, K], x and y being of `dtype`. */
export async function matmulRate(
  gpu: SystemGpu,
  ops: Ops,
  product: Product,
  { T, K, N }: { T: number; K: number; N: number },
  format: WeightFormat = "f32",
  dtype: Dtype = "f32",
): Promise<number> {
  const trial = new MatmulTrial(gpu, { product, K, N, format, dtype }, T);
  const seconds = await trial.seconds(ops, T);
  trial.free();
  return (2 * T * K * N) / seconds;
}

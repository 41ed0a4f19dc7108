import type { Gpu } from "../gpu/device.ts";
import { bestSeconds } from "../gpu/measure.ts";
import type { ElementBytes } from "../gpu/memory.ts";
import type { Matrix } from "./matrix.ts";
import type { Product } from "./ops/matmuls.ts";
import type { Ops } from "./ops.ts";
import { type Dtype, elementBytes } from "./precision.ts";
import { WEIGHT_FORMATS, type WeightFormat } from "./weight-formats.ts";

/**
 * Floating-point operations a second of one product of x[T, K] and W[N, K]; N is a multiple of 4. x and y
 * are of `dtype`, gradients f32.
 */
export async function matmulRate(
  gpu: Gpu,
  ops: Ops,
  product: Product,
  { T, K, N }: { T: number; K: number; N: number },
  format: WeightFormat = "f32",
  dtype: Dtype = "f32",
): Promise<number> {
  const make = (name: string, length: number, bytes?: ElementBytes) =>
    gpu.allocate("buffers", name, length, bytes);
  const bytes = elementBytes(dtype);
  const [rows, wide] = [make("x", T * K, bytes), make("dy", T * N)];
  const y = make("y", T * N, bytes);
  const weights = make("w", N * WEIGHT_FORMATS[format].words(K));
  const out = make("product", Math.max(T * K, T * N, N * K));
  const matrix = (tensor: typeof weights): Matrix => ({
    rows: N,
    columns: K,
    format,
    blocks: [{ tensor, firstRow: 0, rows: N }],
  });
  const [weight, gradient] = [matrix(weights), { ...matrix(out), format: "f32" as const }];
  const record = {
    forward: () => ops.linear.forward({ x: rows, y }, weight, T),
    backwardInput: () => ops.linear.backwardInput({ dy: wide, dx: out }, weight, T),
    backwardWeight: () => ops.linear.backwardWeight({ dy: wide, x: rows }, gradient, T),
  };
  const seconds = await bestSeconds(gpu, product === "forward" ? y : out, record[product]);
  for (const { buffer } of [rows, wide, y, weights, out]) buffer.destroy();
  return (2 * T * K * N) / seconds;
}

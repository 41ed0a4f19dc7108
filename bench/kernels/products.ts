import { LARGEST_PARTS, PRODUCTS } from "../../beyond/kernels/matmul-family.ts";
import type { Product } from "../../lib/model/ops/linear.ts";
import { VOCABULARY_BLOCK } from "../../lib/model/parameters.ts";
import { layerMatrices, type ModelShape } from "../shapes.ts";
import type { Kernel, KernelCase, Space } from "./kernel.ts";

/** A product of x[T, K] and W[N, K] in `space.dtype`; gradients and logits are f32. */
function product(space: Space, kind: Product, T: number, K: number, N: number): Kernel {
  const { ops, dtype } = space;
  const operations = 2 * T * K * N;
  if (kind === "forward") {
    const [x, w] = [space.tensor("x", T * K, dtype), space.matrix("w", N, K, dtype)];
    const y = space.tensor("y", T * N, dtype);
    const record = () => ops.linear.forward({ x, y }, w, T);
    return { operations, reads: [x, w.blocks[0].tensor], writes: [y], record };
  }
  const [dy, partial] = [space.tensor("dy", T * N), space.tensor("partial", LARGEST_PARTS)];
  if (kind === "backwardInput") {
    const [w, dx] = [space.matrix("w", N, K, dtype), space.tensor("dx", T * K)];
    const x = space.tensor("x", 1, dtype); // is not read, but has the dtype
    const record = () => ops.linear.backward({ dy, x, dx, partial }, w, undefined, T);
    return { operations, reads: [dy, w.blocks[0].tensor], writes: [dx], record };
  }
  const [x, dw] = [space.tensor("x", T * K, dtype), space.matrix("dw", N, K, "f32")];
  const [{ tensor }] = dw.blocks;
  const record = () => ops.linear.backward({ dy, x, partial }, dw, dw, T);
  return { operations, reads: [dy, x, tensor], writes: [tensor], record };
}

/** The products of square matrices. */
export const cubeProducts = (size: number): KernelCase[] =>
  PRODUCTS.map((kind) => ({
    name: `${size}^3, ${kind}`,
    rows: size,
    perLayer: 0,
    make: (space: Space) => product(space, kind, size, size, size),
  }));

/** The products of a layer's matrices, and of a block of the vocabulary. */
export const learningProducts = (model: ModelShape, rows: number): KernelCase[] =>
  withHead(model).flatMap(({ matrix, K, N, perLayer }) =>
    PRODUCTS.map((kind) => ({
      name: `${matrix} ${K} x ${N}, ${kind}`,
      rows,
      perLayer,
      make: (space: Space) => product(space, kind, rows, K, N),
    })),
  );

/** Those of decoding, where every weight is read once for a few rows, and SwiGLU follows at once. */
export const decodingProducts = (model: ModelShape, rows: number): KernelCase[] =>
  withHead(model).map(({ matrix, K, N }) => {
    const gated = matrix === "gate and up";
    return {
      name: `${matrix} ${K} x ${N}${gated ? ", swiglu" : ""}`,
      rows,
      perLayer: 0,
      make: (space: Space) =>
        gated ? gatedProduct(space, rows, K, N) : product(space, "forward", rows, K, N),
    };
  });

function gatedProduct(space: Space, T: number, K: number, N: number): Kernel {
  const { ops, dtype } = space;
  const [x, y] = [space.tensor("x", T * K, dtype), space.tensor("y", (T * N) / 2, dtype)];
  const w = space.matrix("w", N, K, dtype);
  const record = () => ops.linear.forwardSwiglu({ x, y }, w, T);
  return { operations: 2 * T * K * N, reads: [x, w.blocks[0].tensor], writes: [y], record };
}

function withHead(model: ModelShape) {
  const N = Math.min(model.vocabulary, VOCABULARY_BLOCK);
  return [
    ...layerMatrices(model).map((matrix) => ({ ...matrix, perLayer: 1 })),
    { matrix: "LM head, a block", K: model.hidden, N, perLayer: 0 },
  ];
}

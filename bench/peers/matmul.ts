import { LARGEST_PARTS, PRODUCTS } from "../../beyond/kernels/matmul-family.ts";
import { makeOps } from "../../beyond/kernels/ops.ts";
import type { SystemGpu } from "../../beyond/platform/gpu.ts";
import type { Dtype } from "../../beyond/storage/precision.ts";
import { packValues, WEIGHT_FORMATS } from "../../beyond/storage/weight-formats.ts";
import type { Tensor } from "../../lib/gpu/memory.ts";
import type { Matrix } from "../../lib/model/matrix.ts";
import type { Product } from "../../lib/model/ops/linear.ts";
import { randomValues, type Task } from "./contest.ts";
import { make, type OurTask, upload } from "./ours.ts";

interface Shape {
  T: number;
  K: number;
  N: number;
}

/** Inputs of each product and the einsum of them: y = x W^T, dx = dy W, dW = dy^T x. */
const EINSUMS: Record<Product, { left: "x" | "dy"; right: "w" | "x"; subscripts: string }> = {
  forward: { left: "x", right: "w", subscripts: "tk,nk->tn" },
  backwardInput: { left: "dy", right: "w", subscripts: "tn,nk->tk" },
  backwardWeight: { left: "dy", right: "x", subscripts: "tn,tk->nk" },
};

/** The three products of a linear layer. */
export const matmulTasks = (name: string, shape: Shape, dtype: Dtype): Task[] =>
  PRODUCTS.map((product) => matmulTask(name, product, shape, dtype));

function matmulTask(name: string, product: Product, { T, K, N }: Shape, dtype: Dtype): Task {
  const shapes = { x: [T, K], w: [N, K], dy: [T, N] };
  const { left, right, subscripts } = EINSUMS[product];
  return {
    name: `${name}, ${product}`,
    dtype,
    inputs: { [left]: randomValues(1, shapes[left]), [right]: randomValues(2, shapes[right]) },
    ours: (gpu, inputs) => ours(gpu, inputs, product, { T, K, N }, dtype),
    jax: ({ numpy: np }, inputs) => ({
      product: np.einsum(subscripts, inputs[left], inputs[right]),
    }),
    torch: { op: "einsum", settings: { subscripts, left, right } },
  };
}

/** Gradients are f32, as they are when rlexplore learns. */
function ours(
  gpu: SystemGpu,
  inputs: Task["inputs"],
  product: Product,
  { T, K, N }: Shape,
  dtype: Dtype,
): OurTask {
  const { linear } = makeOps(gpu, 16);
  const tensor = (name: string, type: Dtype) => upload(gpu, name, inputs[name].data, type);
  const matrix = (tensor: Tensor, format: Dtype): Matrix => ({
    rows: N,
    columns: K,
    format,
    blocks: [{ tensor, firstRow: 0, rows: N }],
  });
  const weight = () => {
    const words = gpu.allocate("buffers", "w", N * WEIGHT_FORMATS[dtype].words(K));
    gpu.upload(words, packValues(inputs.w.data, dtype, K));
    return matrix(words, dtype);
  };
  if (product === "forward") {
    const y = make(gpu, "y", T * N, dtype);
    const [x, w] = [tensor("x", dtype), weight()];
    return { record: () => linear.forward({ x, y }, w, T), outputs: { product: y } };
  }
  const [dy, partial] = [tensor("dy", "f32"), make(gpu, "partial", LARGEST_PARTS)];
  if (product === "backwardInput") {
    const dx = make(gpu, "dx", T * K);
    const [x, w] = [make(gpu, "x", 1, dtype), weight()]; // x is not read, but has the dtype
    const record = () => linear.backward({ dy, x, dx, partial }, w, undefined, T);
    return { record, outputs: { product: dx } };
  }
  const sum = make(gpu, "dw", N * K);
  const [x, dw] = [tensor("x", dtype), matrix(sum, "f32")];
  const record = () => linear.backward({ dy, x, partial }, dw, dw, T);
  return { record, outputs: { product: sum }, sums: [sum] };
}

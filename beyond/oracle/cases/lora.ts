import { ofFormat } from "../../../lib/model/ops/kernels.ts";
import { LARGEST_PARTS } from "../../kernels/matmul-family.ts";
import { LoraDelta } from "../../lora/delta.ts";
import type { LayerLora } from "../../lora/lora.ts";
import type { Dtype } from "../../storage/precision.ts";
import type { WeightFormat } from "../../storage/weight-formats.ts";
import { loraBackward, loraForward } from "../lora.ts";
import { Random } from "../random.ts";
import { joined, type KernelCase, storage, stored, type Tensors } from "./case.ts";

export interface LoraCase {
  T: number;
  K: number;
  N: number;
  /** A multiple of 4. */
  rank: number;
  /** Of the frozen W; f32 by default. */
  format?: WeightFormat;
  /** Of x and y; f32 by default. */
  dtype?: Dtype;
  /** As in `LinearCase`. */
  dy?: Dtype;
}

/** A layer with LoRA, forward and backward, as the decoder records it. N is a multiple of 4. */
export function lora({
  T,
  K,
  N,
  rank,
  format = "f32",
  dtype = "f32",
  ...gradients
}: LoraCase): KernelCase {
  const random = new Random(15, T, K, N, rank);
  const [anyX, original, a, b, dy] = [T * K, N * K, rank * K, N * rank, T * N].map((n) =>
    random.normal(n),
  );
  const of = storage(dtype);
  const x = of.round(anyX);
  const [aBefore, bBefore] = [rank * K, N * rank].map((n) => random.normal(n));
  const { blocks, values: weight } = stored("w", original, K, N, format);
  const scale = 1.75;
  const shape = { T, K, N, rank, scale };
  const y = loraForward(x, { weight, a, b }, shape);
  const { dx, da, db } = loraBackward(dy, x, { weight, a, b }, shape);
  const made = { upstream: dy, isRounded: gradients.dy === "f16" };
  const plus = (before: Float64Array, added: Float64Array) => before.map((v, i) => v + added[i]);
  return {
    inputs: {
      x: of.input(x),
      ...Object.fromEntries(blocks),
      a0: a,
      b0: b,
      dy,
      low: new Float64Array(T * rank),
      dLow: new Float64Array(T * rank),
      partial: new Float64Array(LARGEST_PARTS),
    },
    outputs: {
      y: { kernel: `${ofFormat("matmul", format)}.forward`, reference: y, ...of.output },
      dx: {
        kernel: `${ofFormat("matmul", format)}.backward_input`,
        reference: dx,
        ...made,
      },
      da0: {
        kernel: "matmul.backward_weight",
        reference: plus(aBefore, da),
        initial: aBefore,
        ...made,
      },
      db0: {
        kernel: "matmul.backward_weight",
        reference: plus(bBefore, db),
        initial: bBefore,
        ...made,
      },
    },
    dispatch: (ops, t) => {
      const frozen = joined(t, "w", N, K, N, format);
      const weights = lowRank(t, "", { N, K, rank, scale });
      const gradients = lowRank(t, "d", { N, K, rank, scale });
      const delta = new LoraDelta(ops, weights, { low: t.low, dLow: t.dLow }, gradients);
      ops.linear.forward({ x: t.x, y: t.y }, frozen, T);
      const place = { layer: 0, name: "output", matrix: frozen } as const;
      delta.forward(place, { x: t.x, y: t.y }, T);
      const { x, dy, dx, partial } = t;
      ops.linear.backward({ dy, x, dx, partial }, frozen, undefined, T);
      delta.backward(place, { x, dy, dx, partial }, T);
    },
  };
}

/** LoRA of a layer with one matrix. */
function lowRank(
  t: Tensors,
  prefix: string,
  { N, K, rank, scale }: { N: number; K: number; rank: number; scale: number },
): { lowRank: LayerLora[] } {
  const a = joined(t, `${prefix}a`, rank, K, rank);
  const b = joined(t, `${prefix}b`, N, rank, N);
  const output = [{ a, b, firstColumn: 0, scale }];
  return { lowRank: [{ qkv: [], output, gateUp: [], down: [] }] };
}

import type { Allocator, Tensor } from "../../lib/gpu/memory.ts";
import type { Ops } from "../../lib/model/ops.ts";
import type { DeltaPlace, WeightDelta } from "../../lib/model/parameters.ts";
import type { LoraWeights } from "./lora.ts";

/** Scratch of LoRA's passes over up to `maxTokens`. */
export class LoraScratch {
  /** x A^T of one projection [T, rank]. */
  readonly low: Tensor;
  /** Its gradient, where there is learning. */
  readonly dLow?: Tensor;

  constructor(alloc: Allocator, maxTokens: number, rank: number, learning: boolean) {
    const make = (name: string) => alloc.allocate("activations", name, maxTokens * rank);
    this.low = make("low-rank product");
    if (learning) this.dLow = make("gradient of low-rank product");
  }
}

/** LoRA's change to a model: scale B A beside each adapted projection. */
export class LoraDelta implements WeightDelta {
  /** @param gradients where a backward pass adds those of `weights` */
  constructor(
    private readonly ops: Ops,
    private readonly weights: Pick<LoraWeights, "lowRank">,
    private readonly scratch: Pick<LoraScratch, "low" | "dLow">,
    private readonly gradients?: Pick<LoraWeights, "lowRank">,
  ) {}

  /** y += scale (x A^T) B^T for each projection in the matrix. */
  forward(
    { layer, name, matrix }: DeltaPlace,
    { x, y }: Record<"x" | "y", Tensor>,
    tokens: number,
  ): void {
    const { linear } = this.ops;
    const { low } = this.scratch;
    for (const { a, b, firstColumn, scale } of this.weights.lowRank[layer][name]) {
      linear.forward({ x, y: low, scale }, a, tokens);
      for (const block of b.blocks) {
        const column = firstColumn + block.firstRow;
        linear.forwardBlock({ x: low, y, add: true }, b, block, tokens, matrix.rows, column);
      }
    }
  }

  /**
   * With h = scale x A^T, which is computed anew, and dh = scale dy B:
   * dB += dy^T h, dA += dh^T x and dx += dh A.
   */
  backward(
    { layer, name, matrix }: DeltaPlace,
    { x, dy, dx, partial }: Record<"x" | "dy" | "dx" | "partial", Tensor>,
    tokens: number,
  ): void {
    const { linear } = this.ops;
    const { low, dLow } = this.scratch;
    const gradients = this.gradients?.lowRank[layer][name];
    if (!gradients || !dLow) throw new Error("LoRA was opened without learning");
    this.weights.lowRank[layer][name].forEach(({ a, b, firstColumn, scale }, i) => {
      const gradient = gradients[i];
      linear.forward({ x, y: low, scale }, a, tokens);
      b.blocks.forEach(({ firstRow }, j) => {
        const product = { dy, x: low, dx: dLow, partial, scale };
        linear.backwardBlock(
          product,
          b,
          gradient.b,
          j,
          tokens,
          matrix.rows,
          firstColumn + firstRow,
        );
      });
      linear.backward({ dy: dLow, x, dx, partial, add: true }, a, gradient.a, tokens);
    });
  }
}

import type { Tensor } from "../../lib/gpu/memory.ts";
import {
  Attention,
  type BackwardTensors,
  type ForwardTensors,
} from "../../lib/model/ops/attention.ts";
import type { HeadShape } from "../../lib/model/ops/heads.ts";
import type { Kernels } from "../../lib/model/ops/kernels.ts";
import { type Dtype, dtypeOf } from "../storage/precision.ts";
import { attentionFamily } from "./attention-families.ts";
import type { AttentionPasses, Family } from "./attention-family.ts";
import type { Variants } from "./variants.ts";

/** Attention by the kernels that the variants have, and by the plain ones where they have none. */
export class ChosenAttention extends Attention {
  /** The kernels that were chosen, and what has the passes they do not compute. */
  private readonly chosen: { family: Family<string>; passes: AttentionPasses }[] = [];
  protected override readonly splitQueries: number;

  constructor(
    kernels: Kernels,
    headDim: number,
    private readonly variants: Variants,
  ) {
    super(kernels, headDim);
    this.splitQueries = variants.splitQueries;
    let family: Family<string> | undefined = attentionFamily(variants.attention);
    for (; family; family = family.otherwise) {
      const passes = family.create(kernels, headDim, variants);
      if (passes) this.chosen.push({ family, passes });
    }
  }

  /** Whether gradients are rounded to f16 where they are factors, with activations in f16. */
  get roundsGradients(): boolean {
    return this.chosen.some(({ family }) => family.roundsGradients);
  }

  protected override forwardWhole(
    tensors: ForwardTensors,
    tokens: number,
    shape: HeadShape,
    isDecoding: boolean,
  ): void {
    const passes = this.passesFor("forward", tensors, tokens * shape.heads, isDecoding);
    if (passes?.forward) passes.forward(tensors, tokens, shape, isDecoding);
    else super.forwardWhole(tensors, tokens, shape, isDecoding);
  }

  protected override forwardChunks(
    tensors: ForwardTensors & { partials: Tensor },
    tokens: number,
    shape: HeadShape,
    chunks: number,
  ): void {
    const passes = this.passesFor("forwardChunks", tensors, tokens * shape.heads, true);
    if (passes?.forwardChunks) passes.forwardChunks(tensors, tokens, shape, chunks);
    else super.forwardChunks(tensors, tokens, shape, chunks);
  }

  override backward(tensors: BackwardTensors, tokens: number, shape: HeadShape): void {
    const passes = this.passesFor("backward", tensors, tokens * shape.heads);
    if (passes?.backward) passes.backward(tensors, tokens, shape);
    else super.backward(tensors, tokens, shape);
  }

  protected override backwardFromDelta(
    tensors: BackwardTensors,
    tokens: number,
    shape: HeadShape,
  ): void {
    const passes = this.passesFor("backwardFromDelta", tensors, tokens * shape.heads);
    if (passes?.backwardFromDelta) passes.backwardFromDelta(tensors, tokens, shape);
    else super.backwardFromDelta(tensors, tokens, shape);
  }

  /** The first that has a pass and computes it; undefined where it is for the plain kernels. */
  private passesFor(
    name: keyof AttentionPasses,
    { q }: ForwardTensors,
    queries: number,
    isDecoding = false,
  ): AttentionPasses | undefined {
    const pass = { name, dtype: dtypeOf(q), queries, isDecoding };
    const found = this.chosen.find(
      ({ family, passes }) => passes[name] && (family.computes?.(pass, this.variants) ?? true),
    );
    return found?.passes;
  }
}

/** What gradients are rounded to where they are factors, with activations in `dtype`. */
export const gradientFactors = (attention: Attention, dtype: Dtype): Dtype =>
  dtype === "f16" && attention instanceof ChosenAttention && attention.roundsGradients
    ? "f16"
    : "f32";

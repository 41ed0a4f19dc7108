import type { ElementBytes, Tensor } from "../../lib/gpu/memory.ts";
import {
  Attention,
  type BackwardTensors,
  type ForwardTensors,
} from "../../lib/model/ops/attention.ts";
import type { HeadShape } from "../../lib/model/ops/heads.ts";
import type { Kernels } from "../../lib/model/ops/kernels.ts";
import type { Dtype } from "../storage/precision.ts";
import { MatrixAttention, matrixConstants } from "./attention-matrix.ts";
import { SubgroupAttention } from "./attention-subgroup.ts";
import { TiledAttention } from "./attention-tiled.ts";
import type { Variants } from "./variants.ts";

/** Attention by the kernels that the variants have, and by the plain ones where they have none. */
export class ChosenAttention extends Attention {
  private readonly tiled: TiledAttention | undefined;
  /** Where q, k and v are in f16. */
  private readonly matrix: MatrixAttention | undefined;
  private readonly subgroup: SubgroupAttention | undefined;
  private readonly plainQueries: number;
  protected override readonly splitQueries: number;

  constructor(kernels: Kernels, headDim: number, variants: Variants) {
    super(kernels, headDim);
    const { attention, attentionMemory, subgroupMatrix } = variants;
    this.splitQueries = variants.splitQueries;
    this.plainQueries = variants.plainQueries;
    const constants = subgroupMatrix && matrixConstants(headDim, subgroupMatrix);
    if (attention === "matrix" && constants) this.matrix = new MatrixAttention(kernels, constants);
    if (attention === "tiled" || attention === "matrix") {
      this.tiled = new TiledAttention(kernels, headDim, attentionMemory);
    }
    if (attention === "subgroup") this.subgroup = new SubgroupAttention(kernels, headDim, variants);
  }

  /** Whether gradients are rounded to f16 where they are factors, with activations in f16. */
  get roundsGradients(): boolean {
    return this.matrix !== undefined;
  }

  protected override forwardWhole(
    tensors: ForwardTensors,
    tokens: number,
    shape: HeadShape,
    isDecoding: boolean,
  ): void {
    const tiles = this.matrixFor(tensors.q) ?? this.tiled;
    if (tiles) {
      tiles.forward(tensors, tokens, shape, isDecoding);
    } else if (this.subgroup && !isDecoding && tokens * shape.heads > this.plainQueries) {
      this.subgroup.forward(tensors, tokens, shape);
    } else {
      super.forwardWhole(tensors, tokens, shape, isDecoding);
    }
  }

  protected override forwardChunks(
    tensors: ForwardTensors & { partials: Tensor },
    tokens: number,
    shape: HeadShape,
    chunks: number,
  ): void {
    const tiles = this.matrixFor(tensors.q) ?? this.tiled;
    if (tiles) tiles.forwardChunks(tensors, tokens, shape, chunks);
    else super.forwardChunks(tensors, tokens, shape, chunks);
  }

  override backward(tensors: BackwardTensors, tokens: number, shape: HeadShape): void {
    const matrix = this.matrixFor(tensors.q);
    if (matrix) matrix.backward(tensors, tokens, shape);
    else super.backward(tensors, tokens, shape);
  }

  protected override backwardFromDelta(
    tensors: BackwardTensors,
    tokens: number,
    shape: HeadShape,
  ): void {
    const other = this.tiled ?? this.subgroup;
    if (other) other.backward(tensors, tokens, shape);
    else super.backwardFromDelta(tensors, tokens, shape);
  }

  /** Subgroup matrices have f16 factors. */
  private matrixFor({ elementBytes }: { elementBytes: ElementBytes }): MatrixAttention | undefined {
    return elementBytes === 2 ? this.matrix : undefined;
  }
}

/** What gradients are rounded to where they are factors, with activations in `dtype`. */
export const gradientFactors = (attention: Attention, dtype: Dtype): Dtype =>
  dtype === "f16" && attention instanceof ChosenAttention && attention.roundsGradients
    ? "f16"
    : "f32";

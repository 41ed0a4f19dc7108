import { type Allocator, makeTensor, type Tensor } from "../../lib/gpu/memory.ts";
import type { Matrix } from "../../lib/model/matrix.ts";
import type { Ops } from "../../lib/model/ops.ts";
import {
  type LayerParameters,
  memberKey,
  type Parameters,
  type Weights,
} from "../../lib/model/parameters.ts";
import type { BindingLimits } from "../../lib/model/slabs.ts";
import { Round } from "./round.ts";
import { WEIGHT_FORMATS } from "./weight-formats.ts";

/** Limits for the layout of parameters that are to be rounded: their copies must begin where a binding may. */
export const roundable = ({ bindingLimit, bufferLimit, alignment }: BindingLimits) => ({
  bindingLimit,
  bufferLimit,
  alignment: 2 * alignment,
});

/**
 * Parameters as the model computes with them while f32 ones are trained: matrices rounded to f16, in
 * the format of that name, and vectors as they are. The optimizer keeps the copy up to date; whoever else
 * changes the parameters calls `refresh`.
 */
export class RoundedParameters implements Weights {
  /** The copy of each of the parameters' slabs; vectors have none. */
  readonly copies: readonly (Tensor | undefined)[];
  readonly embedding: Matrix;
  readonly head: Matrix;
  readonly finalNorm: Tensor;
  readonly layers: readonly LayerParameters[];
  private rounding: Round | undefined;

  /** `parameters` are laid out for the limits that `roundable` gives. */
  constructor(
    alloc: Allocator,
    private readonly parameters: Parameters,
  ) {
    const { slabs } = parameters.layout;
    this.copies = slabs.map(({ length, decay }, i) =>
      decay ? alloc.allocate("weights", `rounded weights ${i}`, length, 2) : undefined,
    );
    const rounded = (matrix: Matrix, key: string): Matrix => {
      const { columns, blocks } = matrix;
      const places = parameters.layout.stacks.get(key)?.blocks ?? [];
      return {
        ...matrix,
        format: "f16",
        blocks: blocks.map(({ firstRow, rows }, i) => {
          const { buffer } = this.copies[places[i].slab] as Tensor;
          const words = rows * WEIGHT_FORMATS.f16.words(columns);
          return { tensor: makeTensor(key, buffer, places[i].at * 2, words), firstRow, rows };
        }),
      };
    };
    const { embedding, head, layers } = parameters;
    this.embedding = rounded(embedding, memberKey("embedding"));
    this.head = head === embedding ? this.embedding : rounded(head, memberKey("head"));
    this.finalNorm = parameters.finalNorm;
    this.layers = layers.map((layer, i) => ({
      ...layer,
      qkv: rounded(layer.qkv, memberKey("qkv", i)),
      output: rounded(layer.output, memberKey("output", i)),
      gateUp: rounded(layer.gateUp, memberKey("gateUp", i)),
      down: rounded(layer.down, memberKey("down", i)),
    }));
  }

  /** The kernels that round. */
  round(ops: Ops): Round {
    this.rounding ??= new Round(ops.kernels);
    return this.rounding;
  }

  /** Rounds all parameters anew. */
  refresh(ops: Ops): void {
    this.copies.forEach((copy, i) => {
      const w = this.parameters.slabs[i];
      if (copy) this.round(ops).forward({ w, copy }, w.length);
    });
  }
}

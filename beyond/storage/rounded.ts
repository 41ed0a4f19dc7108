import { type Allocator, makeTensor, type Tensor } from "../../lib/gpu/memory.ts";
import type { Matrix } from "../../lib/model/matrix.ts";
import type { Ops } from "../../lib/model/ops.ts";
import type { LayerParameters, Parameters, Weights } from "../../lib/model/parameters.ts";
import type { BindingLimits } from "../../lib/model/slabs.ts";
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
      const places = parameters.layout.matrices.get(key)?.blocks ?? [];
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
    this.embedding = rounded(embedding, "model.embed_tokens.weight");
    this.head = head === embedding ? this.embedding : rounded(head, "lm_head.weight");
    this.finalNorm = parameters.finalNorm;
    this.layers = layers.map((layer, i) => ({
      ...layer,
      qkv: rounded(layer.qkv, `${i}.qkv`),
      output: rounded(layer.output, `${i}.output`),
      gateUp: rounded(layer.gateUp, `${i}.gateUp`),
      down: rounded(layer.down, `${i}.down`),
    }));
  }

  /** Rounds all parameters anew. */
  refresh(ops: Ops): void {
    this.copies.forEach((copy, i) => {
      const w = this.parameters.slabs[i];
      if (copy) ops.round.forward({ w, copy }, w.length);
    });
  }
}

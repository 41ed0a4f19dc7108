import gatherSource from "../../../shaders/gather.wgsl" with { type: "text" };
import type { Tensor } from "../../gpu/memory.ts";
import type { Matrix, MatrixBlock } from "../matrix.ts";
import { ceil, type Kernels, ofFormat } from "./kernels.ts";

/** shaders/gather.wgsl: rows of a table, picked by index. */
export class Gather {
  constructor(private readonly kernels: Kernels) {
    kernels.addReading("gather", gatherSource, "forward");
    kernels.add("gather", gatherSource, "backward");
  }

  /** out[m] = scale table[index[m]] for `count` rows. */
  forward(
    { index, out }: { index: Tensor; out: Tensor },
    table: Matrix,
    count: number,
    scale = 1,
  ): void {
    const name = `${ofFormat("gather", table.format)}.forward`;
    for (const block of table.blocks) {
      const tensors = { w: block.tensor, index, out };
      const params = gatherParams(table, block, count, scale);
      this.kernels.run(name, tensors, params, gatherGroups(table, count));
    }
  }

  /** gradient[row[u]] += scale times the sum of d_out[item[i]] over i in [offset[u], offset[u+1]), `distinct` rows. */
  backward(
    tensors: { row: Tensor; offset: Tensor; item: Tensor; d_out: Tensor },
    gradient: Matrix,
    distinct: number,
    scale = 1,
  ): void {
    for (const block of gradient.blocks) {
      const params = gatherParams(gradient, block, distinct, scale);
      const groups = gatherGroups(gradient, distinct);
      this.kernels.run("gather.backward", { ...tensors, d_table: block.tensor }, params, groups);
    }
  }
}

function gatherParams(table: Matrix, block: MatrixBlock, count: number, scale: number) {
  const rows = { first_row: block.firstRow, table_rows: block.rows };
  return { count, width: table.columns / 4, ...rows, scale };
}

function gatherGroups(table: Matrix, count: number) {
  return [ceil((count * table.columns) / 4, 64)] as const;
}

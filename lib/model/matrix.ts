import type { Tensor } from "../gpu/memory.ts";

/** A matrix [rows, columns] of weights, cut into blocks of rows that each fit one binding. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  /** The name of the `RowFormat` that its rows are in. */
  readonly format: string;
  readonly blocks: readonly MatrixBlock[];
}
export interface MatrixBlock {
  readonly tensor: Tensor;
  readonly firstRow: number;
  readonly rows: number;
}

/** How the rows of a matrix lie on the GPU: in whole words of four bytes. What is trained is in f32. */
export interface RowFormat {
  readonly name: string;
  /** Words of a row. */
  readonly words: (columns: number) => number;
}
export const F32: RowFormat = { name: "f32", words: (columns) => columns };

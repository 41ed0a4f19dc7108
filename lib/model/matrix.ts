import type { WeightFormat } from "../../beyond/storage/weight-formats.ts";
import type { Tensor } from "../gpu/memory.ts";

/** A matrix [rows, columns], cut into blocks of rows that each fit one binding. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly format: WeightFormat;
  readonly blocks: readonly MatrixBlock[];
}
export interface MatrixBlock {
  readonly tensor: Tensor;
  readonly firstRow: number;
  readonly rows: number;
}

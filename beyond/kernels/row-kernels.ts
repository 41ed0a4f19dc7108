import type { Commands } from "../../lib/gpu/commands.ts";
import type { Tensor } from "../../lib/gpu/memory.ts";
import { type Constants, ceil } from "../../lib/model/ops/kernels.ts";
import { StorageKernels } from "../storage/storage-kernels.ts";
import type { Variants } from "./variants.ts";

/** Elements of a row from which more invocations share it: a vocabulary, not a token. */
const WIDE_ROW = 4096;

/** Kernels of which each adapter has as many invocations share a row as is fast there. */
export class RowKernels extends StorageKernels {
  private readonly shared: Record<string, Record<"narrow" | "wide", RowKernel>> = {};

  constructor(
    commands: Pick<Commands, "kernel" | "dispatch">,
    private readonly variants: Pick<Variants, "lanes" | "wideLanes">,
    everywhere: Constants = {},
  ) {
    super(commands, everywhere);
  }

  override addRows(shader: string, source: string, entries: string, constants: Constants = {}) {
    const { lanes, wideLanes } = this.variants;
    for (const count of new Set([lanes, wideLanes])) {
      const row = { LANES: count, ROWS: rowsPerGroup(count) };
      this.add(`${shader}-${count}`, source, entries, { ...row, ...constants });
    }
    for (const entry of entries.split(" ")) {
      const shared = (lanes: number) => ({
        name: `${shader}-${lanes}.${entry}`,
        rows: rowsPerGroup(lanes),
      });
      this.shared[`${shader}.${entry}`] = { narrow: shared(lanes), wide: shared(wideLanes) };
    }
  }

  /** The rows' length alone says how many invocations share one. */
  override runRows(
    name: string,
    tensors: Readonly<Record<string, Tensor>>,
    params: Readonly<Record<string, number>>,
    rows: number,
    columns: number,
  ): void {
    const { narrow, wide } = this.shared[name];
    const kernel = columns < WIDE_ROW ? narrow : wide;
    this.run(kernel.name, tensors, params, [ceil(rows, kernel.rows)]);
  }
}

const rowsPerGroup = (lanes: number) => (lanes === 1 ? 16 : ceil(128, lanes));

/** A kernel of `addRows`, and the rows that a workgroup of it takes. */
interface RowKernel {
  name: string;
  rows: number;
}

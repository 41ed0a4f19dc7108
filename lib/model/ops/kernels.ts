import mathSource from "../../../shaders/math.wgsl" with { type: "text" };
import rowSource from "../../../shaders/row.wgsl" with { type: "text" };
import type { Gpu } from "../../gpu/device.ts";
import type { Kernel } from "../../gpu/kernel.ts";
import type { Tensor } from "../../gpu/memory.ts";
import { halvable, reflect } from "../../gpu/wgsl.ts";

export const ceil = (n: number, by: number) => Math.ceil(n / by);

/** Rows summed by one invocation of the backward pass of a bias or of rmsnorm's weight. */
export const ROW_CHUNK = 128;

/** Elements of a row from which more invocations share it: a vocabulary, not a token. */
const WIDE_ROW = 4096;

/** Partial sums that those need for `rows` rows of `columns`. */
export const rowPartialLength = (rows: number, columns: number) => ceil(rows, ROW_CHUNK) * columns;

/** A shader with math.wgsl before it. */
export const withMath = (source: string) => `${mathSource}\n${source}`;

/** A shader with row.wgsl and math.wgsl before it. */
export const withRows = (source: string) => `${rowSource}\n${withMath(source)}`;

/**
 * The entry points of the shaders, and the one way to run them. A kernel is compiled when it is first
 * needed: sampling waits for no backward pass.
 */
export class Kernels {
  private readonly define: Record<string, () => EntryPoint> = {};
  private readonly entries: Record<string, EntryPoint> = {};
  private readonly shared: Record<string, Record<"narrow" | "wide", SharedKernel>> = {};

  /** `lanes` invocations share a row in the shaders of `addShared`, `wideLanes` a row of WIDE_ROW elements or more. */
  constructor(
    private readonly gpu: Gpu,
    private readonly lanes: number,
    private readonly wideLanes: number,
  ) {}

  /** Names the entry points of a shader, with spaces in between, for `run`. */
  add(shader: string, source: string, entries: string, constants: Record<string, number> = {}) {
    for (const entry of entries.split(" ")) {
      this.define[`${shader}.${entry}`] = () => {
        const reached = new Set(reflect(source, entry).bindings.map(({ name }) => name));
        const names = halvable(source).map(({ name }) => name);
        const compile = (halves: readonly string[]) =>
          this.gpu.commands.kernel(shader, source, entry, constants, halves);
        return { halvable: names.filter((name) => reached.has(name)), compile, variants: [] };
      };
    }
  }

  /** The same for a shader that reduces rows by row.wgsl, for `runShared`. */
  addShared(shader: string, source: string, entries: string, constants = {}) {
    for (const lanes of new Set([this.lanes, this.wideLanes])) {
      const row = { LANES: lanes, ROWS: rowsPerGroup(lanes) };
      this.add(`${shader}-${lanes}`, withRows(source), entries, { ...row, ...constants });
    }
    for (const entry of entries.split(" ")) {
      const shared = (lanes: number) => ({
        name: `${shader}-${lanes}.${entry}`,
        rows: rowsPerGroup(lanes),
      });
      const wide = shared(this.wideLanes);
      this.shared[`${shader}.${entry}`] = { narrow: shared(this.lanes), wide };
    }
  }

  /** `run` over `rows` rows of `columns` elements, which alone say how many invocations share a row. */
  runShared(
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

  /** Records a dispatch of the kernel named `shader.entry`, in the variant for the tensors' types. */
  run(
    name: string,
    tensors: Readonly<Record<string, Tensor>>,
    params: Readonly<Record<string, number>>,
    groups: readonly [number, number?, number?],
  ): void {
    this.entries[name] ??= this.define[name]();
    const { halvable, variants, compile } = this.entries[name];
    let variant = 0;
    for (let i = 0; i < halvable.length; i++) {
      if (tensors[halvable[i]]?.elementBytes === 2) variant |= 1 << i;
    }
    variants[variant] ??= compile(halvable.filter((_, i) => variant & (1 << i)));
    this.gpu.commands.dispatch(variants[variant], tensors, params, groups);
  }
}

const rowsPerGroup = (lanes: number) => (lanes === 1 ? 16 : ceil(128, lanes));

/** A kernel of `addShared`, and the rows that a workgroup of it takes. */
interface SharedKernel {
  name: string;
  rows: number;
}

interface EntryPoint {
  /** Names of the tensors that may be stored in halves. */
  halvable: readonly string[];
  compile: (halves: readonly string[]) => Kernel;
  /** Bit i of the index: whether the i-th of `halvable` is. */
  variants: Kernel[];
}

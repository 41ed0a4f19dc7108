import mathSource from "../../../shaders/math.wgsl" with { type: "text" };
import rowSource from "../../../shaders/row.wgsl" with { type: "text" };
import type { Gpu } from "../../gpu/device.ts";
import type { Kernel } from "../../gpu/kernel.ts";
import type { Tensor } from "../../gpu/memory.ts";
import { halvable, reflect } from "../../gpu/wgsl.ts";

export const ceil = (n: number, by: number) => Math.ceil(n / by);

/** Rows summed by one invocation of the backward pass of a bias or of rmsnorm's weight. */
export const ROW_CHUNK = 128;

/** Partial sums that those need for `rows` rows of `columns`. */
export const rowPartialLength = (rows: number, columns: number) => ceil(rows, ROW_CHUNK) * columns;

/** A shader with math.wgsl before it. */
export const withMath = (source: string) => `${mathSource}\n${source}`;

/**
 * The entry points of the shaders, and the one way to run them. A kernel is compiled when it is first
 * needed: sampling waits for no backward pass.
 */
export class Kernels {
  private readonly define: Record<string, () => EntryPoint> = {};
  private readonly entries: Record<string, EntryPoint> = {};
  private readonly rowsPerGroup: number;

  /** `lanes` invocations share a row in the shaders of `addShared`. */
  constructor(
    private readonly gpu: Gpu,
    private readonly lanes: number,
  ) {
    this.rowsPerGroup = lanes === 1 ? 16 : ceil(128, lanes);
  }

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

  /** The same for a shader that reduces rows by row.wgsl. */
  addShared(shader: string, source: string, entries: string, constants = {}) {
    const row = { LANES: this.lanes, ROWS: this.rowsPerGroup };
    this.add(shader, `${rowSource}\n${withMath(source)}`, entries, { ...row, ...constants });
  }

  /** Workgroups of such a shader over `rows` rows. */
  sharedGroups(rows: number): [number] {
    return [ceil(rows, this.rowsPerGroup)];
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

interface EntryPoint {
  /** Names of the tensors that may be stored in halves. */
  halvable: readonly string[];
  compile: (halves: readonly string[]) => Kernel;
  /** Bit i of the index: whether the i-th of `halvable` is. */
  variants: Kernel[];
}

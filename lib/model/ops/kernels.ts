import type { Commands } from "../../gpu/commands.ts";
import type { Kernel } from "../../gpu/kernel.ts";
import type { Tensor } from "../../gpu/memory.ts";
import { type Files, include } from "../../gpu/wgsl.ts";
import { FILES } from "./files.ts";

export const ceil = (n: number, by: number) => Math.ceil(n / by);

/** Rows summed by one invocation of the backward pass of a bias or of rmsnorm's weight. */
export const ROW_CHUNK = 128;

/** Partial sums that those need for `rows` rows of `columns`. */
export const rowPartialLength = (rows: number, columns: number) => ceil(rows, ROW_CHUNK) * columns;

/** Invocations that share a row in shaders that include row.wgsl, and rows of a workgroup. */
const ROW_TILE = { LANES: 16, ROWS: 8 };

export type Constants = Readonly<Record<string, number>>;
type Groups = readonly [number, number?, number?];

/** An entry point before it is compiled; `source` is whole. */
export interface EntryPoint {
  readonly shader: string;
  readonly source: string;
  readonly entry: string;
  readonly constants: Constants;
}

/**
 * The entry points of the shaders, and the one way to run them. A kernel is compiled when it is first
 * needed: sampling waits for no backward pass.
 */
export class Kernels {
  private readonly defined: Record<string, () => EntryPoint> = {};
  private readonly compiled: Record<string, Kernel> = {};

  /** @param everywhere constants of all shaders that have them, such as GELU of math.wgsl */
  constructor(
    protected readonly commands: Pick<Commands, "kernel" | "dispatch">,
    private readonly everywhere: Constants = {},
  ) {}

  /** Names of all entry points that `run` knows. */
  get names(): string[] {
    return Object.keys(this.defined);
  }

  /**
   * Names the entry points of a shader, with spaces in between, for `run`: `shader.entry`. `files` are included
   * beside, or instead of, those of the core.
   */
  add(shader: string, source: string, entries: string, constants: Constants = {}, files?: Files) {
    for (const entry of entries.split(" ")) {
      this.defined[`${shader}.${entry}`] = () => {
        const whole = include(source, { ...FILES, ...files });
        const isIn = ([name]: [string, number]) => whole.includes(`const ${name}: `);
        const everywhere = Object.fromEntries(Object.entries(this.everywhere).filter(isIn));
        return { shader, source: whole, entry, constants: { ...everywhere, ...constants } };
      };
    }
  }

  /** The same for entry points that read a matrix through weights/f32.wgsl, for `ofFormat`. */
  addReading(...given: Parameters<Kernels["add"]>): void {
    this.add(...given);
  }

  /** The same for entry points that reduce rows by row.wgsl, for `runRows`. */
  addRows(shader: string, source: string, entries: string, constants: Constants = {}): void {
    this.add(shader, source, entries, { ...ROW_TILE, ...constants });
  }

  /** Records a dispatch of the kernel named `shader.entry`. */
  run(
    name: string,
    tensors: Readonly<Record<string, Tensor>>,
    params: Readonly<Record<string, number>>,
    groups: Groups,
  ): void {
    this.commands.dispatch(this.kernel(name, tensors), tensors, params, groups);
  }

  /** `run` over `rows` rows of `columns` elements. */
  runRows(
    name: string,
    tensors: Readonly<Record<string, Tensor>>,
    params: Readonly<Record<string, number>>,
    rows: number,
    _columns: number,
  ): void {
    this.run(name, tensors, params, [ceil(rows, ROW_TILE.ROWS)]);
  }

  /** The kernel for these tensors. */
  protected kernel(name: string, _tensors: Readonly<Record<string, Tensor>>): Kernel {
    this.compiled[name] ??= this.compile(this.entryPoint(name));
    return this.compiled[name];
  }

  protected entryPoint(name: string): EntryPoint {
    return this.defined[name]();
  }

  private compile({ shader, source, entry, constants }: EntryPoint): Kernel {
    return this.commands.kernel(shader, source, entry, constants);
  }
}

/** The shader's name for matrices of a format. */
export const ofFormat = (shader: string, format: string) =>
  format === "f32" ? shader : `${shader}/${format}`;

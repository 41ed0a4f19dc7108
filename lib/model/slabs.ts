import type { Gpu } from "../gpu/device.ts";
import { type Allocator, type MemoryPart, type Tensor, view } from "../gpu/memory.ts";
import { F32, type Matrix, type RowFormat } from "./matrix.ts";

/** A piece of a named tensor: `length` words from `start` live in `slab` at `at`. */
interface Piece {
  slab: number;
  at: number;
  start: number;
  length: number;
}

/** Tensors stacked into one, and the ranges that its blocks of rows have; a vector is a column in one block. */
interface Stack {
  rows: number;
  columns: number;
  format: RowFormat;
  blocks: { slab: number; at: number; firstRow: number; rows: number }[];
}

/** What decides how tensors are laid out. */
export type BindingLimits = Pick<Allocator, "bindingLimit" | "bufferLimit" | "alignment">;

/**
 * Where a set of named tensors lives. They are laid out back to back in slabs, each no larger than one
 * binding, so that the optimizer works through a few large ranges; matrices, which weight decay
 * applies to, and vectors (norms and biases), which it does not, are in slabs of their own. The same
 * layout serves weights, gradients and both moments. Stack all matrices, and then the vectors.
 * Lengths are counted in words of four bytes: elements, but for matrices in another format than f32,
 * which no optimizer works on.
 */
export class SlabLayout {
  readonly slabs: { length: number; decay: boolean }[] = [];
  readonly pieces = new Map<string, Piece[]>();
  readonly stacks = new Map<string, Stack>();
  private readonly formats = new Map<string, string>();
  private readonly slabCapacity: number;
  private readonly align: number;

  /** `shapes` has every tensor by the name it has in files, in their order. */
  constructor(
    readonly shapes: ReadonlyMap<string, readonly number[]>,
    limits: BindingLimits,
  ) {
    this.slabCapacity = Math.floor(Math.min(limits.bindingLimit, limits.bufferLimit) / 4);
    this.align = limits.alignment / 4;
  }

  /** The name of the format that a tensor is in. */
  format(name: string): string {
    return this.formats.get(name) ?? F32.name;
  }

  /**
   * Stacks matrices of the same width into one, cut into blocks of at most `maxRows` rows that each fit one
   * binding; or vectors end to end.
   */
  protected stack(
    key: string,
    names: readonly string[],
    { maxRows = Infinity, format = F32 } = {},
  ): void {
    const shapes = names.map((name) => this.shapes.get(name) ?? []);
    const isMatrix = shapes[0].length === 2;
    const [, columns = 1] = shapes[0];
    const rowWords = format.words(columns);
    const rows = shapes.reduce((sum, [own]) => sum + own, 0);
    // A block's row count is a multiple of 4, so that the columns of y it makes begin on a vector.
    const rowsThatFit = Math.floor(this.slabCapacity / rowWords / 4) * 4;
    const blockRows = isMatrix ? Math.min(maxRows, rowsThatFit) : rows;
    if (blockRows === 0) throw new RangeError(`${names[0]}: four rows exceed one binding`);
    const blocks: Stack["blocks"] = [];
    for (let firstRow = 0; firstRow < rows; firstRow += blockRows) {
      const count = Math.min(blockRows, rows - firstRow);
      blocks.push({ ...this.place(count * rowWords, isMatrix), firstRow, rows: count });
    }
    this.stacks.set(key, { rows, columns, format, blocks });
    let begin = 0;
    names.forEach((name, i) => {
      const end = begin + shapes[i][0];
      const pieces = blocks.map(({ slab, at, firstRow, rows }): Piece => {
        const first = Math.max(begin, firstRow);
        const length = (Math.min(end, firstRow + rows) - first) * rowWords;
        const start = (first - begin) * rowWords;
        return { slab, at: at + (first - firstRow) * rowWords, start, length };
      });
      this.pieces.set(
        name,
        pieces.filter(({ length }) => length > 0),
      );
      this.formats.set(name, format.name);
      begin = end;
    });
  }

  private place(length: number, decay: boolean): { slab: number; at: number } {
    let slab = this.slabs.at(-1);
    let at = slab ? Math.ceil(slab.length / this.align) * this.align : 0;
    if (slab?.decay !== decay || at + length > this.slabCapacity) {
      slab = { length: 0, decay };
      at = 0;
      this.slabs.push(slab);
    }
    slab.length = at + length;
    return { slab: this.slabs.length - 1, at };
  }
}

/** One copy of a layout's tensors on the GPU: the weights, or something shaped like them. */
export class Slabs<Layout extends SlabLayout = SlabLayout> {
  readonly slabs: readonly Tensor[];

  constructor(
    alloc: Allocator,
    readonly layout: Layout,
    part: MemoryPart,
    name: string,
  ) {
    this.slabs = layout.slabs.map(({ length }, i) => alloc.allocate(part, `${name} ${i}`, length));
  }

  /** Uploads one tensor by the name it has in files: its values, or its words where it is not in f32. */
  set(gpu: Gpu, name: string, data: Float32Array | Uint32Array): void {
    for (const { slab, at, start, length } of this.layout.pieces.get(name) ?? []) {
      gpu.upload(view(this.slabs[slab], name, at, length), data, start, length);
    }
  }

  /** Reads one tensor back; one that is not in f32 as the bits of its words. */
  async get(gpu: Gpu, name: string): Promise<Float32Array<ArrayBuffer>> {
    const pieces = this.layout.pieces.get(name);
    if (!pieces) throw new Error(`no parameter named ${name}`);
    const data = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    for (const { slab, at, start, length } of pieces) {
      const source = view(this.slabs[slab], name, at, length);
      await gpu.read(source, data.subarray(start, start + length));
    }
    return data;
  }

  clear(gpu: Gpu): void {
    for (const slab of this.slabs) gpu.commands.clear(slab);
  }

  copyFrom(gpu: Gpu, other: Slabs): void {
    for (let i = 0; i < this.slabs.length; i++) gpu.commands.copy(other.slabs[i], this.slabs[i]);
  }

  /** A stack of matrices. */
  protected matrix(key: string): Matrix {
    const stack = this.layout.stacks.get(key);
    if (!stack) throw new Error(`nothing is stacked as ${key}`);
    const { rows, columns, format } = stack;
    const blocks = stack.blocks.map(({ slab, at, firstRow, rows }) => ({
      tensor: view(this.slabs[slab], key, at, rows * format.words(columns)),
      firstRow,
      rows,
    }));
    return { rows, columns, format: format.name, blocks };
  }

  /** A stack of vectors. */
  protected vector(key: string): Tensor {
    return this.matrix(key).blocks[0].tensor;
  }
}

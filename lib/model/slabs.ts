import type { TensorSource } from "../../beyond/models/safetensors.ts";
import {
  packValues,
  unpackValues,
  WEIGHT_FORMATS,
  type WeightFormat,
} from "../../beyond/storage/weight-formats.ts";
import type { Gpu } from "../gpu/device.ts";
import { type Allocator, type MemoryPart, type Tensor, view } from "../gpu/memory.ts";
import type { Matrix, MatrixBlock } from "./matrix.ts";

/** A piece of a named tensor: `length` words from `start` live in `slab` at `at`. */
interface Piece {
  slab: number;
  at: number;
  start: number;
  length: number;
}

interface BlockPlace {
  slab: number;
  at: number;
  firstRow: number;
  rows: number;
}
interface MatrixPlace {
  rows: number;
  columns: number;
  format: WeightFormat;
  blocks: BlockPlace[];
}

/** What decides how tensors are laid out. */
export type BindingLimits = Pick<Allocator, "bindingLimit" | "bufferLimit" | "alignment">;

/**
 * Where a set of named tensors lives. They are laid out back to back in slabs, each no larger than one
 * binding, so that the optimizer works through a few large ranges; matrices, which weight decay
 * applies to, and vectors (norms and biases), which it does not, are in slabs of their own. The same
 * layout serves weights, gradients and both moments. Place all matrices, and then the vectors.
 * Lengths are counted in words of four bytes: elements, but for matrices in a format smaller than f32,
 * which no optimizer works on.
 */
export class SlabLayout {
  readonly slabs: { length: number; decay: boolean }[] = [];
  readonly pieces = new Map<string, Piece[]>();
  readonly matrices = new Map<string, MatrixPlace>();
  readonly vectors = new Map<string, { slab: number; at: number; length: number }>();
  private readonly formats = new Map<string, WeightFormat>();
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

  /** Elements of all tensors, paddings not counted. */
  get parameterCount(): number {
    let count = 0;
    for (const shape of this.shapes.values()) count += shape.reduce((a, b) => a * b, 1);
    return count;
  }

  /** The format of a named tensor; vectors are f32. */
  format(name: string): WeightFormat {
    return this.formats.get(name) ?? "f32";
  }

  /** Stacks matrices of the same width into one, cut into blocks of rows that each fit one binding. */
  protected placeMatrix(
    key: string,
    names: string[],
    { maxRows = Infinity, format = "f32" as WeightFormat } = {},
  ): void {
    const columns = this.shape(names[0])[1];
    const { elements, words } = WEIGHT_FORMATS[format];
    if (columns % elements !== 0) {
      throw new RangeError(
        `${names[0]} has ${columns} columns; ${format} needs blocks of ${elements}`,
      );
    }
    const rowWords = words(columns);
    const rowsThatFit = Math.floor(this.slabCapacity / rowWords);
    // A block's row count is a multiple of 4, so that the columns of y it makes begin on a vector.
    const blockRows = Math.min(maxRows, Math.floor(rowsThatFit / 4) * 4);
    if (blockRows < 4) throw new RangeError(`${names[0]}: four rows exceed one binding`);
    let rows = 0;
    for (const name of names) rows += this.shape(name)[0];
    const blocks: BlockPlace[] = [];
    for (let firstRow = 0; firstRow < rows; firstRow += blockRows) {
      const count = Math.min(blockRows, rows - firstRow);
      const { slab, at } = this.place(count * rowWords, true);
      blocks.push({ slab, at, firstRow, rows: count });
    }
    this.matrices.set(key, { rows, columns, format, blocks });

    let begin = 0;
    for (const name of names) {
      const end = begin + this.shape(name)[0];
      const pieces: Piece[] = [];
      for (const block of blocks) {
        const first = Math.max(begin, block.firstRow);
        const last = Math.min(end, block.firstRow + block.rows);
        if (first < last) {
          pieces.push({
            slab: block.slab,
            at: block.at + (first - block.firstRow) * rowWords,
            start: (first - begin) * rowWords,
            length: (last - first) * rowWords,
          });
        }
      }
      this.pieces.set(name, pieces);
      this.formats.set(name, format);
      begin = end;
    }
  }

  /** Places vectors end to end, as one. */
  protected placeVector(key: string, names: string[]): void {
    const lengths = names.map((name) => this.shape(name)[0]);
    const length = lengths.reduce((a, b) => a + b);
    let { slab, at } = this.place(length, false);
    this.vectors.set(key, { slab, at, length });
    names.forEach((name, i) => {
      this.pieces.set(name, [{ slab, at, start: 0, length: lengths[i] }]);
      at += lengths[i];
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

  private shape(name: string): readonly number[] {
    const shape = this.shapes.get(name);
    if (!shape) throw new Error(`no shape for ${name}`);
    return shape;
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

  /** Uploads one tensor by the name it has in files, in the format the layout has it in. */
  set(gpu: Gpu, name: string, values: Float32Array): void {
    this.setPacked(gpu, name, packValues(values, this.layout.format(name), this.columns(name)));
  }

  /** Uploads one tensor whose words are in that format already. */
  setPacked(gpu: Gpu, name: string, data: Uint32Array): void {
    for (const piece of this.layout.pieces.get(name) ?? []) {
      const target = view(this.slabs[piece.slab], name, piece.at, piece.length);
      gpu.upload(target, data, piece.start, piece.length);
    }
  }

  /** Reads one tensor back, as float32. */
  async get(gpu: Gpu, name: string): Promise<Float32Array> {
    const pieces = this.layout.pieces.get(name);
    if (!pieces) throw new Error(`no parameter named ${name}`);
    const data = new Uint32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    for (const { slab, at, start, length } of pieces) {
      const source = view(this.slabs[slab], name, at, length);
      await gpu.read(source, data.subarray(start, start + length));
    }
    return unpackValues(data, this.layout.format(name), this.columns(name));
  }

  /** Every tensor by its name, read back one at a time. */
  async *entries(gpu: Gpu): AsyncGenerator<{
    name: string;
    shape: readonly number[];
    data: Float32Array;
  }> {
    for (const [name, shape] of this.layout.shapes) {
      yield { name, shape, data: await this.get(gpu, name) };
    }
  }

  /** Every tensor as a file is to hold it, under its name after `prefix`. */
  sources(gpu: Gpu, prefix = ""): TensorSource[] {
    return Array.from(this.layout.shapes, ([name, shape]) => ({
      name: prefix + name,
      shape,
      data: () => this.get(gpu, name),
    }));
  }

  clear(gpu: Gpu): void {
    for (const slab of this.slabs) gpu.commands.clear(slab);
  }

  copyFrom(gpu: Gpu, other: Slabs): void {
    for (let i = 0; i < this.slabs.length; i++) gpu.commands.copy(other.slabs[i], this.slabs[i]);
  }

  private columns(name: string): number {
    return this.layout.shapes.get(name)?.at(-1) ?? 1;
  }

  protected matrix(key: string): Matrix {
    const place = this.layout.matrices.get(key);
    if (!place) throw new Error(`no matrix ${key}`);
    const { columns, format } = place;
    const blocks: MatrixBlock[] = place.blocks.map(({ slab, at, firstRow, rows }) => ({
      tensor: view(this.slabs[slab], key, at, rows * WEIGHT_FORMATS[format].words(columns)),
      firstRow,
      rows,
    }));
    return { rows: place.rows, columns, format, blocks };
  }

  protected vector(key: string): Tensor {
    const place = this.layout.vectors.get(key);
    if (!place) throw new Error(`no vector ${key}`);
    return view(this.slabs[place.slab], key, place.at, place.length);
  }
}

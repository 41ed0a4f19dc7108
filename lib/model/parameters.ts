import type { Gpu } from "../gpu/device.ts";
import { type Allocator, type MemoryPart, type Tensor, view } from "../gpu/memory.ts";
import { type ModelConfig, tensorShapes } from "./config.ts";
import type { Matrix, MatrixBlock } from "./ops.ts";

/** Vocabulary rows the LM head works on at once; fixes the order in which its log-softmax adds. */
export const VOCABULARY_BLOCK = 4096;

/** One decoder layer's parameters. Matrices that share an input are stacked and multiplied at once. */
export interface LayerParameters {
  inputNorm: Tensor;
  /** q, k and v projections, stacked: [(H + 2 KV) D, hidden]. */
  qkv: Matrix;
  /** Of q, k and v, stacked: [(H + 2 KV) D]. */
  qkvBias?: Tensor;
  /** Norms of the heads of q and of k: [D]. */
  qNorm?: Tensor;
  kNorm?: Tensor;
  output: Matrix;
  postNorm: Tensor;
  /** Gate and up projections, stacked: [2 F, hidden]. */
  gateUp: Matrix;
  down: Matrix;
}

/** A piece of a named Hugging Face tensor: `length` elements from `start` live in `tensor` at `at`. */
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
  blocks: BlockPlace[];
}

/**
 * Where every parameter lives. Parameters are laid out back to back in slabs, each no larger than one
 * binding, so that the optimizer works through a few large ranges; matrices, which weight decay
 * applies to, and norms and biases, which it does not, are in slabs of their own. The same layout serves
 * weights, gradients and both moments.
 */
export class ParameterLayout {
  readonly slabs: { length: number; decay: boolean }[] = [];
  readonly pieces = new Map<string, Piece[]>();
  readonly matrices = new Map<string, MatrixPlace>();
  readonly vectors = new Map<string, { slab: number; at: number; length: number }>();
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  private readonly slabCapacity: number;

  constructor(
    readonly config: ModelConfig,
    limits: Pick<Allocator, "bindingLimit" | "bufferLimit" | "alignment">,
  ) {
    this.shapes = tensorShapes(config);
    this.slabCapacity = Math.floor(Math.min(limits.bindingLimit, limits.bufferLimit) / 4);
    const align = limits.alignment / 4;
    const tables = ["model.embed_tokens.weight"];
    if (!config.tieWordEmbeddings) tables.push("lm_head.weight");
    for (const name of tables) this.placeMatrix(name, [name], align, VOCABULARY_BLOCK);
    for (let i = 0; i < config.numLayers; i++) {
      const attention = `model.layers.${i}.self_attn`;
      const mlp = `model.layers.${i}.mlp`;
      const stacked = ["q", "k", "v"].map((name) => `${attention}.${name}_proj.weight`);
      this.placeMatrix(`${i}.qkv`, stacked, align);
      this.placeMatrix(`${i}.output`, [`${attention}.o_proj.weight`], align);
      const gateUp = ["gate", "up"].map((name) => `${mlp}.${name}_proj.weight`);
      this.placeMatrix(`${i}.gateUp`, gateUp, align);
      this.placeMatrix(`${i}.down`, [`${mlp}.down_proj.weight`], align);
    }
    this.slabs.push({ length: 0, decay: false });
    const vector = (key: string, names: string[]) => this.placeVector(key, names, align);
    for (let i = 0; i < config.numLayers; i++) {
      const layer = `model.layers.${i}`;
      vector(`${i}.inputNorm`, [`${layer}.input_layernorm.weight`]);
      const biases = ["q", "k", "v"].map((name) => `${layer}.self_attn.${name}_proj.bias`);
      if (config.qkvBias) vector(`${i}.qkvBias`, biases);
      if (config.qkNorm) {
        vector(`${i}.qNorm`, [`${layer}.self_attn.q_norm.weight`]);
        vector(`${i}.kNorm`, [`${layer}.self_attn.k_norm.weight`]);
      }
      vector(`${i}.postNorm`, [`${layer}.post_attention_layernorm.weight`]);
    }
    vector("finalNorm", ["model.norm.weight"]);
  }

  /** Elements of the model, paddings not counted. */
  get parameterCount(): number {
    let count = 0;
    for (const shape of this.shapes.values()) count += shape.reduce((a, b) => a * b, 1);
    return count;
  }

  private placeMatrix(key: string, names: string[], align: number, maxRows = Infinity): void {
    const columns = this.shape(names[0])[1];
    const rowsThatFit = Math.floor(this.slabCapacity / columns);
    // A block's row count is a multiple of 4, so that the columns of y it makes begin on a vector.
    const blockRows = Math.min(maxRows, Math.floor(rowsThatFit / 4) * 4);
    if (blockRows < 4) throw new RangeError(`${names[0]}: four rows exceed one binding`);
    let rows = 0;
    for (const name of names) rows += this.shape(name)[0];
    const blocks: BlockPlace[] = [];
    for (let firstRow = 0; firstRow < rows; firstRow += blockRows) {
      const count = Math.min(blockRows, rows - firstRow);
      const { slab, at } = this.place(count * columns, align, true);
      blocks.push({ slab, at, firstRow, rows: count });
    }
    this.matrices.set(key, { rows, columns, blocks });

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
            at: block.at + (first - block.firstRow) * columns,
            start: (first - begin) * columns,
            length: (last - first) * columns,
          });
        }
      }
      this.pieces.set(name, pieces);
      begin = end;
    }
  }

  /** Places vectors end to end, as one. */
  private placeVector(key: string, names: string[], align: number): void {
    const lengths = names.map((name) => this.shape(name)[0]);
    const length = lengths.reduce((a, b) => a + b);
    let { slab, at } = this.place(length, align, false);
    this.vectors.set(key, { slab, at, length });
    names.forEach((name, i) => {
      this.pieces.set(name, [{ slab, at, start: 0, length: lengths[i] }]);
      at += lengths[i];
    });
  }

  private place(length: number, align: number, decay: boolean): { slab: number; at: number } {
    let slab = this.slabs.at(-1);
    let at = slab ? Math.ceil(slab.length / align) * align : 0;
    if (!slab || at + length > this.slabCapacity) {
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

/** One copy of the parameters on the GPU: the weights, or something shaped like them. */
export class Parameters {
  readonly slabs: readonly Tensor[];
  readonly embedding: Matrix;
  readonly head: Matrix;
  readonly finalNorm: Tensor;
  readonly layers: readonly LayerParameters[];

  constructor(
    alloc: Allocator,
    readonly layout: ParameterLayout,
    part: MemoryPart,
    name: string,
  ) {
    this.slabs = layout.slabs.map(({ length }, i) => alloc.allocate(part, `${name} ${i}`, length));
    this.embedding = this.matrix("model.embed_tokens.weight");
    this.head = layout.config.tieWordEmbeddings ? this.embedding : this.matrix("lm_head.weight");
    this.finalNorm = this.vector("finalNorm");
    this.layers = Array.from({ length: layout.config.numLayers }, (_, i) => ({
      inputNorm: this.vector(`${i}.inputNorm`),
      qkv: this.matrix(`${i}.qkv`),
      ...(layout.config.qkvBias && { qkvBias: this.vector(`${i}.qkvBias`) }),
      ...(layout.config.qkNorm && {
        qNorm: this.vector(`${i}.qNorm`),
        kNorm: this.vector(`${i}.kNorm`),
      }),
      output: this.matrix(`${i}.output`),
      postNorm: this.vector(`${i}.postNorm`),
      gateUp: this.matrix(`${i}.gateUp`),
      down: this.matrix(`${i}.down`),
    }));
  }

  /** Uploads one Hugging Face tensor. */
  set(gpu: Gpu, name: string, data: Float32Array): void {
    for (const piece of this.layout.pieces.get(name) ?? []) {
      const target = view(this.slabs[piece.slab], name, piece.at, piece.length);
      gpu.upload(target, data, piece.start, piece.length);
    }
  }

  /** Reads one Hugging Face tensor back. */
  async get(gpu: Gpu, name: string): Promise<Float32Array> {
    const pieces = this.layout.pieces.get(name);
    if (!pieces) throw new Error(`no parameter named ${name}`);
    const data = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    for (const { slab, at, start, length } of pieces) {
      const source = view(this.slabs[slab], name, at, length);
      await gpu.read(source, data.subarray(start, start + length));
    }
    return data;
  }

  /** Every tensor by its Hugging Face name, read back one at a time. */
  async *entries(gpu: Gpu): AsyncGenerator<{
    name: string;
    shape: readonly number[];
    data: Float32Array;
  }> {
    for (const [name, shape] of this.layout.shapes) {
      yield { name, shape, data: await this.get(gpu, name) };
    }
  }

  clear(gpu: Gpu): void {
    for (const slab of this.slabs) gpu.commands.clear(slab);
  }

  copyFrom(gpu: Gpu, other: Parameters): void {
    for (let i = 0; i < this.slabs.length; i++) gpu.commands.copy(other.slabs[i], this.slabs[i]);
  }

  private matrix(key: string): Matrix {
    const place = this.layout.matrices.get(key);
    if (!place) throw new Error(`no matrix ${key}`);
    const blocks: MatrixBlock[] = place.blocks.map(({ slab, at, firstRow, rows }) => ({
      tensor: view(this.slabs[slab], key, at, rows * place.columns),
      firstRow,
      rows,
    }));
    return { rows: place.rows, columns: place.columns, blocks };
  }

  private vector(key: string): Tensor {
    const place = this.layout.vectors.get(key);
    if (!place) throw new Error(`no vector ${key}`);
    return view(this.slabs[place.slab], key, place.at, place.length);
  }
}

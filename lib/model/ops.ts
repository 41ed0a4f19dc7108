import adamwSource from "../../shaders/adamw.wgsl" with { type: "text" };
import attentionSource from "../../shaders/attention.wgsl" with { type: "text" };
import biasSource from "../../shaders/bias.wgsl" with { type: "text" };
import gatherSource from "../../shaders/gather.wgsl" with { type: "text" };
import logprobSource from "../../shaders/logprob.wgsl" with { type: "text" };
import mathSource from "../../shaders/math.wgsl" with { type: "text" };
import matmulSource from "../../shaders/matmul.wgsl" with { type: "text" };
import rmsnormSource from "../../shaders/rmsnorm.wgsl" with { type: "text" };
import ropeSource from "../../shaders/rope.wgsl" with { type: "text" };
import rowSource from "../../shaders/row.wgsl" with { type: "text" };
import sampleSource from "../../shaders/sample.wgsl" with { type: "text" };
import swigluSource from "../../shaders/swiglu.wgsl" with { type: "text" };
import type { Gpu } from "../gpu/device.ts";
import type { Kernel } from "../gpu/kernel.ts";
import type { Tensor } from "../gpu/memory.ts";

/** A matrix [rows, columns], cut into blocks of rows that each fit one binding. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly blocks: readonly MatrixBlock[];
}
export interface MatrixBlock {
  readonly tensor: Tensor;
  readonly firstRow: number;
  readonly rows: number;
}

/** Attention's shape: what one token's q, k and v are made of. */
export interface HeadShape {
  heads: number;
  kvHeads: number;
  headDim: number;
}

/** Which heads a norm is over: `heads` side by side from element `first` of a token's `stride`. */
export interface NormedHeads {
  heads: number;
  stride: number;
  first: number;
}

/** What `linear` reads and writes; at most one of the options may be there. */
export interface LinearTensors {
  x: Tensor;
  y: Tensor;
  residual?: Tensor;
  bias?: Tensor;
  /** y = scale x W^T. */
  scale?: number;
  /** y += x W^T. */
  add?: boolean;
}

/** What `linearBackwardInput` reads and writes. */
interface LinearGradients {
  dy: Tensor;
  dx: Tensor;
  /** dx = scale dy W. */
  scale?: number;
  /** dx += dy W. */
  add?: boolean;
}

export interface SamplingOptions {
  /** 0 takes the most likely token. */
  temperature: number;
  /** Keep the k most likely tokens; 0 keeps all. */
  topK: number;
  /** Keep the smallest set of tokens holding this share of the probability; 1 keeps all. */
  topP: number;
  /** Keep tokens at least this many times as likely as the likeliest; 0 keeps all. */
  minP: number;
}

const ceil = (n: number, by: number) => Math.ceil(n / by);
/** Rows summed by one invocation of the backward pass of a bias or of rmsnorm's weight. */
export const ROW_CHUNK = 128;
/** Elements squared and summed by one invocation of adamw's square. */
export const SQUARE_CHUNK = 1024;

/** Partial sums that those need for `rows` rows of `columns`. */
export const rowPartialLength = (rows: number, columns: number) => ceil(rows, ROW_CHUNK) * columns;
/** Partial sums that the gradient norm needs for `count` elements. */
export const squareChunks = (count: number) => ceil(count, SQUARE_CHUNK);

/**
 * The operations of a decoder, one method for each entry point of shaders/*.wgsl, where the formulas
 * are. Everything is f32 and row-major; T, M are rows, and every method only records a dispatch.
 */
export class Ops {
  private readonly kernels: Record<string, Kernel> = {};
  /** A kernel is compiled when it is first needed: sampling waits for no backward pass. */
  private readonly compile: Record<string, () => Kernel> = {};
  private readonly rowsPerGroup: number;
  /** Rows and columns of a product that one workgroup of a matmul makes. */
  private readonly tileRows: number;
  private readonly tileColumns: number;

  /** `lanes` invocations share a row of rmsnorm, logprob and sample; see lib/gpu/variants.ts. */
  constructor(
    private readonly gpu: Gpu,
    headDim: number,
    lanes = gpu.variants.lanes,
  ) {
    const { tile, tileGroup } = gpu.variants;
    this.tileRows = tile[0] * tileGroup[0];
    this.tileColumns = tile[1] * tileGroup[1];
    this.rowsPerGroup = lanes === 1 ? 16 : ceil(128, lanes);
    const row = { LANES: lanes, ROWS: this.rowsPerGroup };
    const withMath = (source: string) => `${mathSource}\n${source}`;
    const withRow = (source: string) => `${rowSource}\n${withMath(source)}`;
    const add = (name: string, source: string, entries: string, constants = {}) => {
      for (const entry of entries.split(" ")) {
        this.compile[`${name}.${entry}`] = () =>
          gpu.commands.kernel(name, source, entry, constants);
      }
    };
    add(
      "matmul",
      matmulSource,
      "forward forward_add forward_residual backward_input backward_weight",
      {
        TILE_ROWS: tile[0],
        TILE_COLUMNS: tile[1],
        GROUP_X: tileGroup[1],
        GROUP_Y: tileGroup[0],
      },
    );
    add("rmsnorm", withRow(rmsnormSource), "forward backward_input backward_in_place", row);
    add("rmsnorm", withRow(rmsnormSource), "backward_weight reduce_weight", {
      ...row,
      CHUNK: ROW_CHUNK,
    });
    add("bias", biasSource, "backward reduce", { CHUNK: ROW_CHUNK });
    add("rope", ropeSource, "forward backward", { HEAD_DIM: headDim });
    const attention = "forward backward_delta backward_query backward_key";
    add("attention", withMath(attentionSource), attention, { HEAD_DIM: headDim });
    add("swiglu", swigluSource, "forward backward");
    add("gather", gatherSource, "forward backward");
    add("logprob", withRow(logprobSource), "forward backward", row);
    add("sample", withRow(sampleSource), "forward", row);
    add("adamw", withMath(adamwSource), "square total update", { CHUNK: SQUARE_CHUNK });
  }

  /**
   * y[T, N] = x[T, K] W^T, or that with an option of `LinearTensors`. Rows of y are `yStride` apart (N
   * by default).
   */
  linear(tensors: LinearTensors, weight: Matrix, rows: number, yStride = weight.rows): void {
    for (const block of weight.blocks) {
      this.linearBlock(tensors, weight, block, rows, yStride, block.firstRow);
    }
  }

  /** The columns of `linear` that one block of W makes, written from column `yColumn` on. */
  linearBlock(
    { x, y, residual, bias, scale = 1, add = false }: LinearTensors,
    weight: Matrix,
    block: MatrixBlock,
    rows: number,
    yStride: number,
    yColumn: number,
  ): void {
    const params = matmulParams(weight, block, rows, yStride, yColumn);
    const groups = this.tiles(rows, block.rows);
    const added = residual ?? bias;
    if (added) {
      const tensors = { x, w: block.tensor, y, residual: added };
      const strided = { ...params, residual_stride: residual ? yStride : 0 };
      this.run("matmul.forward_residual", tensors, strided, groups);
    } else {
      const entry = add ? "matmul.forward_add" : "matmul.forward";
      this.run(entry, { x, w: block.tensor, y }, { ...params, scale }, groups);
    }
  }

  /** dx[T, K] = dy[T, N] W, or that with an option of `LinearGradients`. */
  linearBackwardInput(
    tensors: LinearGradients,
    weight: Matrix,
    rows: number,
    yStride = weight.rows,
  ): void {
    for (const block of weight.blocks) {
      this.linearBackwardInputBlock(tensors, weight, block, rows, yStride, block.firstRow);
    }
  }

  /** What one block of W contributes to dx; every block but the first adds. */
  linearBackwardInputBlock(
    { dy, dx, scale = 1, add = false }: LinearGradients,
    weight: Matrix,
    block: MatrixBlock,
    rows: number,
    yStride: number,
    yColumn: number,
  ): void {
    const params = matmulParams(weight, block, rows, yStride, yColumn);
    const groups = this.tiles(rows, weight.columns);
    const options = { scale, add: add ? 1 : params.add };
    this.run(
      "matmul.backward_input",
      { dy, w: block.tensor, dx },
      { ...params, ...options },
      groups,
    );
  }

  /** dW += dy[T, N]^T x[T, K]. `gradient` has the blocks of the weight. */
  linearBackwardWeight(
    tensors: { dy: Tensor; x: Tensor },
    gradient: Matrix,
    rows: number,
    yStride = gradient.rows,
  ): void {
    for (const block of gradient.blocks) {
      this.linearBackwardWeightBlock(tensors, gradient, block, rows, yStride, block.firstRow);
    }
  }

  linearBackwardWeightBlock(
    { dy, x }: { dy: Tensor; x: Tensor },
    gradient: Matrix,
    block: MatrixBlock,
    rows: number,
    yStride: number,
    yColumn: number,
  ): void {
    const params = matmulParams(gradient, block, rows, yStride, yColumn);
    const groups = this.tiles(block.rows, gradient.columns);
    this.run("matmul.backward_weight", { dy, x, dw: block.tensor }, params, groups);
  }

  /** db[N] += the sum of the rows of dy[T, N]. `partial` holds rowPartialLength elements. */
  biasBackward(
    tensors: { dy: Tensor; db: Tensor; partial: Tensor },
    rows: number,
    columns: number,
  ) {
    const params = { rows, columns };
    this.run("bias.backward", tensors, params, [ceil(columns, 64), ceil(rows, ROW_CHUNK)]);
    this.run("bias.reduce", tensors, params, [ceil(columns, 64)]);
  }

  /** y[T, D] = x / rms(x) * w; saves 1 / rms in inverse_rms[T]. `heads`: of the heads of T tokens. */
  rmsnorm(
    tensors: { x: Tensor; w: Tensor; y: Tensor; inverse_rms: Tensor },
    tokens: number,
    columns: number,
    epsilon: number,
    heads?: NormedHeads,
  ): void {
    const params = normParams(tokens, columns, epsilon, heads);
    this.run("rmsnorm.forward", tensors, params, [ceil(params.rows, this.rowsPerGroup)]);
  }

  /** dx += the gradient of rmsnorm; dw, if given, += likewise. `partial` holds rowPartialLength elements. */
  rmsnormBackward(
    tensors: {
      x: Tensor;
      w: Tensor;
      inverse_rms: Tensor;
      dy: Tensor;
      dx: Tensor;
      dw?: Tensor;
      partial: Tensor;
    },
    rows: number,
    columns: number,
  ): void {
    const { dw, ...rest } = tensors;
    const params = normParams(rows, columns, 0);
    this.run("rmsnorm.backward_input", rest, params, [ceil(rows, this.rowsPerGroup)]);
    if (dw) this.rmsnormBackwardWeight({ ...rest, dw }, params);
  }

  /** Turns dy, the gradient of the normed heads of T tokens, into that of the heads; dw as above. */
  headNormBackward(
    tensors: {
      x: Tensor;
      w: Tensor;
      inverse_rms: Tensor;
      dy: Tensor;
      dw?: Tensor;
      partial: Tensor;
    },
    tokens: number,
    columns: number,
    heads: NormedHeads,
  ): void {
    const params = normParams(tokens, columns, 0, heads);
    const { dy, dw, ...rest } = tensors;
    if (dw) this.rmsnormBackwardWeight({ ...rest, dy, dw }, params);
    const groups = [ceil(params.rows, this.rowsPerGroup)] as const;
    this.run("rmsnorm.backward_in_place", { ...rest, dx: dy }, params, groups);
  }

  private rmsnormBackwardWeight(
    tensors: Readonly<Record<string, Tensor>>,
    params: ReturnType<typeof normParams>,
  ): void {
    const groups = ceil(params.columns, 64);
    this.run("rmsnorm.backward_weight", tensors, params, [groups, ceil(params.rows, ROW_CHUNK)]);
    this.run("rmsnorm.reduce_weight", tensors, params, [groups]);
  }

  /** Splits qkv into rotated q, rotated keys and values, these in the rows their spans name. */
  rope(
    tensors: {
      spans: Tensor;
      table: Tensor;
      /** Where q and k are read: qkv itself, or a copy with normed heads. */
      qk: Tensor;
      qkv: Tensor;
      q: Tensor;
      keys: Tensor;
      values: Tensor;
    },
    tokens: number,
    shape: HeadShape,
  ): void {
    this.run("rope.forward", tensors, headParams(tokens, shape), ropeGroups(tokens, shape));
  }

  /** Joins dq, dk and dv into dqkv, rotated back. */
  ropeBackward(
    tensors: {
      spans: Tensor;
      table: Tensor;
      dq: Tensor;
      dk: Tensor;
      dv: Tensor;
      dqkv: Tensor;
    },
    tokens: number,
    shape: HeadShape,
  ): void {
    this.run("rope.backward", tensors, headParams(tokens, shape), ropeGroups(tokens, shape));
  }

  /** o[T, H, D] and lse[T, H] of causal grouped-query attention over the spans. */
  attention(
    tensors: { spans: Tensor; q: Tensor; k: Tensor; v: Tensor; o: Tensor; lse: Tensor },
    tokens: number,
    shape: HeadShape,
  ): void {
    const groups = [ceil(tokens * shape.heads, 64)] as const;
    this.run("attention.forward", tensors, headParams(tokens, shape), groups);
  }

  /** dq, dk and dv from d_o, with delta[T, H] as scratch. */
  attentionBackward(
    tensors: {
      spans: Tensor;
      last_query: Tensor;
      q: Tensor;
      k: Tensor;
      v: Tensor;
      o: Tensor;
      lse: Tensor;
      d_o: Tensor;
      delta: Tensor;
      dq: Tensor;
      dk: Tensor;
      dv: Tensor;
    },
    tokens: number,
    shape: HeadShape,
  ): void {
    const params = headParams(tokens, shape);
    const queryGroups = [ceil(tokens * shape.heads, 64)] as const;
    this.run("attention.backward_delta", tensors, params, queryGroups);
    this.run("attention.backward_query", tensors, params, queryGroups);
    this.run("attention.backward_key", tensors, params, [ceil(tokens * shape.kvHeads, 64)]);
  }

  /** a[T, F] = silu(gate) * up from gate_up[T, 2F]. */
  swiglu(tensors: { gate_up: Tensor; a: Tensor }, rows: number, width: number): void {
    const groups = [ceil((rows * width) / 4, 64)] as const;
    this.run("swiglu.forward", tensors, { rows, width: width / 4 }, groups);
  }

  swigluBackward(
    tensors: { gate_up: Tensor; da: Tensor; d_gate_up: Tensor },
    rows: number,
    width: number,
  ): void {
    const groups = [ceil((rows * width) / 4, 64)] as const;
    this.run("swiglu.backward", tensors, { rows, width: width / 4 }, groups);
  }

  /** out[m] = table[index[m]] for `count` rows. */
  gather({ index, out }: { index: Tensor; out: Tensor }, table: Matrix, count: number): void {
    for (const block of table.blocks) {
      const tensors = { table: block.tensor, index, out };
      this.run(
        "gather.forward",
        tensors,
        gatherParams(table, block, count),
        gatherGroups(table, count),
      );
    }
  }

  /** gradient[row[u]] += the sum of d_out[item[i]] over i in [offset[u], offset[u+1]), `distinct` rows. */
  gatherBackward(
    tensors: { row: Tensor; offset: Tensor; item: Tensor; d_out: Tensor },
    gradient: Matrix,
    distinct: number,
  ): void {
    for (const block of gradient.blocks) {
      const params = gatherParams(gradient, block, distinct);
      const groups = gatherGroups(gradient, distinct);
      this.run("gather.backward", { ...tensors, d_table: block.tensor }, params, groups);
    }
  }

  /** One vocabulary block of the running log-softmax; the last block writes logprob[M] and entropy[M]. */
  logprobBlock(
    tensors: {
      logits: Tensor;
      target_token: Tensor;
      state: Tensor;
      logprob: Tensor;
      entropy: Tensor;
    },
    at: LogitsBlock,
  ): void {
    this.run("logprob.forward", tensors, logprobParams(at), [ceil(at.rows, this.rowsPerGroup)]);
  }

  /** Turns a block of logits into their gradient, in place. */
  logprobBackwardBlock(
    tensors: { logits: Tensor; target_token: Tensor; state: Tensor; d_logprob: Tensor },
    at: LogitsBlock,
  ): void {
    const groups = [ceil(at.rows * at.columns, 64)] as const;
    this.run("logprob.backward", tensors, logprobParams(at), groups);
  }

  /** Draws token[row] from logits[row] and moves draws and spans to the next position. */
  sample(
    tensors: { logits: Tensor; draws: Tensor; spans: Tensor; token: Tensor },
    rows: number,
    vocabulary: number,
    stride: number,
    options: SamplingOptions,
  ): void {
    const greedy = options.temperature === 0;
    const params = {
      rows,
      vocabulary,
      stride,
      // No filter drops the most likely token, so that greedy decoding needs none.
      top_k: greedy ? 0 : options.topK,
      top_p: greedy ? 1 : options.topP,
      log_min_p: options.minP > 0 ? Math.log(options.minP) : -1e30,
      inverse_temperature: greedy ? 1 : 1 / options.temperature,
      greedy: greedy ? 1 : 0,
    };
    this.run("sample.forward", tensors, params, [ceil(rows, this.rowsPerGroup)]);
  }

  /** partial[chunkOffset...] = sums of squares of `count` elements of dw, and whether they are finite. */
  square(
    tensors: { dw: Tensor; partial: Tensor },
    count: number,
    chunkOffset: number,
    params: AdamwParams,
  ): void {
    const all = adamwParams(params, { count, chunk_offset: chunkOffset });
    this.run("adamw.square", tensors, all, [ceil(squareChunks(count), 64)]);
  }

  /** summary = (norm, 1 if anything was not finite) from all the partial sums. */
  squareTotal(tensors: { partial: Tensor; summary: Tensor }, chunks: number, params: AdamwParams) {
    this.run("adamw.total", tensors, adamwParams(params, { chunks }), [1]);
  }

  adamw(
    tensors: { w: Tensor; dw: Tensor; m: Tensor; v: Tensor; summary: Tensor },
    count: number,
    params: AdamwParams,
  ): void {
    this.run("adamw.update", tensors, adamwParams(params, { count }), [ceil(count, 64)]);
  }

  /** Workgroups of a matmul whose product is [rows, columns]. */
  private tiles(rows: number, columns: number) {
    return [ceil(columns, this.tileColumns), ceil(rows, this.tileRows)] as const;
  }

  private run(
    name: string,
    tensors: Readonly<Record<string, Tensor>>,
    params: Readonly<Record<string, number>>,
    groups: readonly [number, number?, number?],
  ): void {
    this.kernels[name] ??= this.compile[name]();
    this.gpu.commands.dispatch(this.kernels[name], tensors, params, groups);
  }
}

/** Where a block of the vocabulary's logits lies, and what they are divided by. */
export interface LogitsBlock {
  rows: number;
  columns: number;
  stride: number;
  /** Column of the logits tensor in which the block begins. */
  offset: number;
  /** Vocabulary index of the block's first column. */
  firstColumn: number;
  isLast: boolean;
  temperature: number;
}

/** AdamW's scalars for one update; see shaders/adamw.wgsl. */
export type AdamwParams = Readonly<
  Record<
    "max_norm" | "decay" | "beta1" | "beta2" | "step_size" | "root_correction" | "epsilon",
    number
  >
>;

function matmulParams(
  weight: Matrix,
  block: MatrixBlock,
  rows: number,
  yStride: number,
  yColumn: number,
) {
  return {
    rows,
    outputs: block.rows,
    inputs: weight.columns,
    y_stride: yStride,
    residual_stride: yStride,
    y_column: yColumn,
    add: block.firstRow > 0 ? 1 : 0,
    scale: 1,
  };
}

function normParams(tokens: number, columns: number, epsilon: number, at?: NormedHeads) {
  const { heads, stride, first } = at ?? { heads: 1, stride: columns, first: 0 };
  return { rows: tokens * heads, columns, epsilon, heads, stride, first };
}

function headParams(tokens: number, { heads, kvHeads }: HeadShape) {
  return { tokens, heads, kv_heads: kvHeads };
}

function ropeGroups(tokens: number, { heads, kvHeads, headDim }: HeadShape) {
  return [ceil((tokens * (heads + 2 * kvHeads) * headDim) / 2, 64)] as const;
}

function gatherParams(table: Matrix, block: MatrixBlock, count: number) {
  return { count, width: table.columns / 4, first_row: block.firstRow, table_rows: block.rows };
}

function gatherGroups(table: Matrix, count: number) {
  return [ceil((count * table.columns) / 4, 64)] as const;
}

function adamwParams(params: AdamwParams, range: Record<string, number>) {
  const rest = { rest1: 1 - params.beta1, rest2: 1 - params.beta2 };
  return { ...params, ...rest, count: 0, chunk_offset: 0, chunks: 0, ...range };
}

function logprobParams(at: LogitsBlock) {
  return {
    rows: at.rows,
    columns: at.columns,
    stride: at.stride,
    offset: at.offset,
    first_column: at.firstColumn,
    is_first: at.firstColumn === 0 ? 1 : 0,
    is_last: at.isLast ? 1 : 0,
    inverse_temperature: 1 / at.temperature,
  };
}

import { type Files, include } from "../../lib/gpu/wgsl.ts";
import { LEAST_PARTIAL } from "../../lib/model/activations.ts";
import { FILES } from "../../lib/model/ops/files.ts";
import type { Product } from "../../lib/model/ops/linear.ts";
import plainSource from "../../shaders/matmul.wgsl" with { type: "text" };
import type { SystemGpu } from "../platform/gpu.ts";
import type { Dtype } from "../storage/precision.ts";
import type { WeightFormat } from "../storage/weight-formats.ts";
import rangeSource from "./f16-range.wgsl" with { type: "text" };
import lanesSource from "./matmul-lanes.wgsl" with { type: "text" };
import largestSource from "./matmul-largest.wgsl" with { type: "text" };
import matrixSource from "./matmul-matrix.wgsl" with { type: "text" };
import matrixBackwardSource from "./matmul-matrix-backward.wgsl" with { type: "text" };
import subgroupSource from "./matmul-subgroup.wgsl" with { type: "text" };
import tiledSource from "./matmul-tiled.wgsl" with { type: "text" };
import tiledBackwardSource from "./matmul-tiled-backward.wgsl" with { type: "text" };
import {
  type MatmulKernel,
  type SubgroupMatrix,
  subgroupLanes,
  type Variants,
} from "./variants.ts";

/** The products of a linear layer y = x W^T, as shaders/matmul.wgsl has them. */
export const PRODUCTS: readonly Product[] = ["forward", "backwardInput", "backwardWeight"];

/** A product of x[T, K] and W[N, K] but for T: all that the order of its sums may depend on. */
export interface MatmulShape {
  readonly product: Product;
  readonly K: number;
  readonly N: number;
  /** Of W; gradients of W are f32. */
  readonly format: WeightFormat;
  /** Of x, also in backwardInput, which has no x: where activations are f32, dy is never rounded. */
  readonly dtype: Dtype;
}

/** Constants a family is compiled with. */
export interface Tile {
  /** Unique in its family. */
  readonly name: string;
  readonly constants: Readonly<Record<string, number>>;
  /** The same for the backward pass, where it differs. */
  readonly backward?: Readonly<Record<string, number>>;
  /** The shader, where it is not that of the family. */
  readonly source?: string;
  /** Lanes that the adapter's subgroups must have. */
  readonly lanes?: number;
  /** Rows and columns of outputs that a workgroup makes. */
  readonly outputs: readonly [number, number];
}

/**
 * A matmul with one order of adding: the tiles of a family give the same bits, and may be chosen by
 * the rows in flight. Two families may differ in bits, so that a shape has one for all its row classes.
 */
export interface MatmulFamily {
  readonly name: MatmulKernel;
  readonly shader: string;
  readonly source: string;
  readonly tiles: readonly Tile[];
  /** What the adapter must have. */
  readonly feature?: GPUFeatureName;
  /** Invocations and bytes of workgroup memory of the largest tile. */
  readonly limits: { readonly invocations: number; readonly sharedBytes: number };
  /** Whether it rounds dy to f16, as a share of its largest magnitude. */
  readonly roundsGradients?: boolean;
  /** Whether it makes products of this shape; what it does not, `tiled` does. */
  makes(shape: MatmulShape): boolean;
}

/** A mat4x4f product for each four of the contraction, added in their order. */
const plain: MatmulFamily = {
  name: "plain",
  shader: "matmul",
  source: plainSource,
  tiles: [
    plainTile(4, 8, 8, 8),
    plainTile(16, 16, 2, 2),
    ...[4, 8, 16].flatMap((lanes) => [4, 8, 16].map((rows) => subgroupTile(rows, lanes))),
  ],
  limits: { invocations: 64, sharedBytes: 0 },
  makes: () => true,
};

/** A chain of fma in the order of the contraction. */
export const tiled: MatmulFamily = {
  name: "tiled",
  shader: "matmul-tiled",
  source: tiledBackwardSource,
  tiles: [tiledTile(1, 1, 16, 4), tiledTile(8, 2, 8, 8)],
  limits: { invocations: 64, sharedBytes: 16384 },
  makes: () => true,
};

/** Four chains of fma, each over every fourth run of 16, added in order. */
const lanes: MatmulFamily = {
  name: "lanes",
  shader: "matmul-lanes",
  source: tiledSource,
  tiles: [
    lanesTile(1),
    lanesTile(8),
    ...tiled.tiles.map((tile) => ({ ...tile, constants: { ...tile.constants, LANES: 4 } })),
  ],
  feature: "subgroups",
  limits: tiled.limits,
  makes: ({ product }) => product === "forward",
};

/** Products of subgroup matrices, added in the order of the contraction. */
const matrix: MatmulFamily = {
  name: "matrix",
  shader: "matmul-matrix",
  source: matrixBackwardSource,
  tiles: [
    matrixTile([16, 16], [1, 1], 256, 128),
    matrixTile([32, 16], [2, 2], 64),
    matrixTile([32, 32], [2, 2], 32),
    matrixTile([64, 32], [2, 4], 32),
  ],
  feature: "chromium-experimental-subgroup-matrix" as GPUFeatureName,
  limits: { invocations: 256, sharedBytes: 32768 },
  roundsGradients: true,
  makes: ({ product, format, dtype }) =>
    dtype === "f16" && (product === "backwardWeight" || format !== "f32"),
};

/** All of them. The first two make every product on every adapter. */
export const MATMUL_FAMILIES: readonly MatmulFamily[] = [plain, tiled, lanes, matrix];

/** `rows` x `columns` outputs an invocation, in a workgroup of `groupY` x `groupX`. */
function plainTile(rows: number, columns: number, groupY: number, groupX: number): Tile {
  return {
    name: `${rows}x${columns}`,
    constants: { TILE_ROWS: rows, TILE_COLUMNS: columns, GROUP_X: groupX, GROUP_Y: groupY },
    outputs: [rows * groupY, columns * groupX],
  };
}

/** `rows` rows of outputs for a subgroup, four columns for each of its lanes. */
function subgroupTile(rows: number, lanes: number): Tile {
  return {
    name: `subgroup-${rows}x${4 * lanes}`,
    constants: { LANES: lanes, ROWS: rows, SHARES: Math.max(1, rows / lanes) },
    source: subgroupSource,
    lanes,
    outputs: [rows, 4 * lanes],
  };
}

/**
 * `rows` x 4 `vectors` outputs an invocation. Each of the 64 stages 4 x 4 elements of either factor a step:
 * 4 groupX = rows groupY / vectors.
 */
function tiledTile(rows: number, vectors: number, groupY: number, groupX: number): Tile {
  const outputs = [rows * groupY, 4 * vectors * groupX] as const;
  return {
    name: outputs.join("x"),
    constants: { ROWS: rows, VECTORS: vectors, GROUP_X: groupX, GROUP_Y: groupY },
    outputs,
  };
}

/** `rows` outputs of a column for each four of 32 invocations. */
function lanesTile(rows: number): Tile {
  const outputs = [rows, 8] as const;
  return { name: outputs.join("x"), constants: { ROWS: rows }, source: lanesSource, outputs };
}

/**
 * `subgroup` outputs each of `group` subgroups, and steps of `depth` elements of the contraction, of `backwardDepth` in
 * the backward pass: what lies the other way there takes more workgroup memory in low tiles.
 */
function matrixTile(
  [subRows, subColumns]: readonly [number, number],
  [groupY, groupX]: readonly [number, number],
  depth: number,
  backwardDepth = depth,
): Tile {
  const outputs = [subRows * groupY, subColumns * groupX] as const;
  const constants = (depth: number) => {
    const vectors = depth / 4 / (32 * groupY * groupX); // that an invocation stages of a row
    return {
      SUB_ROWS: subRows,
      SUB_COLUMNS: subColumns,
      GROUP_Y: groupY,
      GROUP_X: groupX,
      DEPTH: depth,
      X_LOADS: outputs[0] * vectors,
      W_LOADS: outputs[1] * vectors,
    };
  };
  const backward = constants(backwardDepth);
  return { name: outputs.join("x"), constants: constants(depth), backward, outputs };
}

/** What beyond/kernels/matmul-matrix.wgsl is compiled with: steps are half as deep where memory is short. */
function matrixConstants(
  constants: Readonly<Record<string, number>>,
  { M, N, K, shallow }: SubgroupMatrix,
) {
  const { DEPTH, X_LOADS, W_LOADS } = constants;
  const by = shallow ? 2 : 1;
  const steps = { DEPTH: DEPTH / by, X_LOADS: X_LOADS / by, W_LOADS: W_LOADS / by };
  const strip = Math.max(1, 128 / (M * N));
  return { ...constants, ...steps, M, N, K, STRIP: strip, PARTS: LARGEST_PARTS };
}

/** What shaders of products include beside the files of the core. */
export const MATMUL_FILES: Files = {
  "f16-range.wgsl": rangeSource,
  "matmul-matrix.wgsl": matrixSource,
  "matmul-tiled.wgsl": tiledSource,
};

/** The shader of a family's tile, whole, with `files` in place of others. */
export const matmulSource = ({ source }: MatmulFamily, tile?: Tile, files: Files = {}) =>
  include(tile?.source ?? source, { ...FILES, ...MATMUL_FILES, ...files });

/** The constants of a family's tile on an adapter. */
export function constantsOf(
  family: MatmulFamily,
  { constants, backward = constants }: Tile,
  { subgroupMatrix }: Variants,
  isBackward = false,
): Readonly<Record<string, number>> {
  const given = isBackward ? backward : constants;
  return family === matrix && subgroupMatrix ? matrixConstants(given, subgroupMatrix) : given;
}

/** The tiles of a family that an adapter can run: those for subgroups only where its own are of that size. */
export function tilesOn(
  { device, variants }: Pick<SystemGpu, "device" | "variants">,
  family: MatmulFamily,
): readonly Tile[] {
  const { feature, limits: needs, tiles } = family;
  const { features, limits } = device;
  const runs =
    (feature === undefined || features.has(feature)) &&
    (family !== matrix || variants.subgroupMatrix !== null) &&
    needs.invocations <= limits.maxComputeInvocationsPerWorkgroup &&
    needs.sharedBytes <= limits.maxComputeWorkgroupStorageSize;
  if (!runs) return [];
  return tiles.filter(({ lanes }) => lanes === undefined || lanes === subgroupLanes(device));
}

/** The name under which the kernels of a family are compiled with a tile. */
export const matmulName = ({ shader }: MatmulFamily, { name }: Tile) => `${shader}-${name}`;

/** beyond/kernels/matmul-largest.wgsl, for families that round dy, and the partial maxima that it leaves. */
export const LARGEST_SOURCE = include(largestSource, MATMUL_FILES);
export const LARGEST_PARTS = LEAST_PARTIAL;

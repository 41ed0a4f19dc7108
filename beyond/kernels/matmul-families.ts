import { type Files, include } from "../../lib/gpu/wgsl.ts";
import { FILES } from "../../lib/model/ops/files.ts";
import type { Tile } from "./matmul-family.ts";
import { lanes } from "./matmul-lanes.ts";
import { matrix } from "./matmul-matrix.ts";
import { plain } from "./matmul-plain.ts";
import { tiled } from "./matmul-tiled.ts";
import { runsOn, type SubgroupDevice, subgroupLanes } from "./subgroups.ts";

/** All of them. The first two make every product on every adapter. */
export const MATMUL_FAMILIES = [plain, tiled, lanes, matrix] as const;

export type MatmulFamily = (typeof MATMUL_FAMILIES)[number];
export type MatmulKernel = MatmulFamily["name"];

export const matmulFamily = (kernel: MatmulKernel) =>
  MATMUL_FAMILIES.find(({ name }) => name === kernel) as MatmulFamily;

/** The shader of a family's tile, whole, with `given` in place of others. */
export const matmulSource = ({ source, files }: MatmulFamily, tile?: Tile, given: Files = {}) =>
  include(tile?.source ?? source, { ...FILES, ...files, ...given });

/** The constants of a family's tile on an adapter. */
export function constantsOf(
  { fit }: MatmulFamily,
  { constants, backward = constants }: Tile,
  { subgroupMatrix }: SubgroupDevice["variants"],
  isBackward = false,
): Tile["constants"] {
  const given = isBackward ? backward : constants;
  return fit && subgroupMatrix ? fit(given, subgroupMatrix) : given;
}

/** The tiles of a family that an adapter can run: those for subgroups only where its own are of that size. */
export function tilesOn(gpu: SubgroupDevice, family: MatmulFamily): readonly Tile[] {
  const { limits: needs, tiles } = family;
  const { limits } = gpu.device;
  const runs =
    runsOn(gpu, family) &&
    needs.invocations <= limits.maxComputeInvocationsPerWorkgroup &&
    needs.sharedBytes <= limits.maxComputeWorkgroupStorageSize;
  if (!runs) return [];
  return tiles.filter(({ lanes }) => lanes === undefined || lanes === subgroupLanes(gpu.device));
}

/** The name under which the kernels of a family are compiled with a tile. */
export const matmulName = ({ shader }: MatmulFamily, { name }: Tile) => `${shader}-${name}`;

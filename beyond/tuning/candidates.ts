import { MATMUL_FAMILIES, type MatmulFamily, tilesOn } from "../kernels/matmul-families.ts";
import type { MatmulShape, Tile } from "../kernels/matmul-family.ts";
import { builtInChoice } from "../kernels/matmuls.ts";
import { makeOps } from "../kernels/ops.ts";
import type { SystemGpu } from "../platform/gpu.ts";

/** One way to make a product. */
export interface Candidate {
  family: MatmulFamily;
  tile: Tile;
}

/** What can make a shape on an adapter. */
export const candidatesFor = (gpu: SystemGpu, shape: MatmulShape): Candidate[] =>
  MATMUL_FAMILIES.filter((family) => family.makes(shape)).flatMap((family) =>
    tilesOn(gpu, family).map((tile) => ({ family, tile })),
  );

/**
 * Whether a tile is worth measuring at so many rows of outputs: one four times as tall idles for the most
 * part, and one that is a hundredth as tall loads the weights as often. The built-in tile of the row class
 * always is, and the family's lowest for few rows, its highest for many.
 */
export function isSensible(
  gpu: SystemGpu,
  shape: MatmulShape,
  { family, tile }: Candidate,
  rows: number,
  rowClass: number,
): boolean {
  if (builtInChoice(gpu.variants, shape).tiles[rowClass] === tile) return true;
  const heights = family.tiles.map(({ outputs }) => outputs[0]);
  const [height] = tile.outputs;
  const isTooTall = height > 4 * rows && height > Math.min(...heights);
  const isTooFlat = 100 * height < rows && height < Math.max(...heights);
  return !isTooTall && !isTooFlat;
}

/** Ops whose every product is made in one way, as far as its family makes it. */
export const opsWith = (gpu: SystemGpu, { family, tile }: Candidate) =>
  makeOps(gpu, 16, {
    matmul: family.name,
    tiles: { ...gpu.variants.tiles, [family.name]: tile.name },
    tuned: {},
  });

import type { Gpu } from "../gpu/device.ts";
import {
  builtInChoice,
  MATMUL_FAMILIES,
  type MatmulFamily,
  type MatmulShape,
  runsOn,
  type Tile,
} from "../model/ops/matmuls.ts";
import { Ops } from "../model/ops.ts";

/** One way to make a product. */
export interface Candidate {
  family: MatmulFamily;
  tile: Tile;
}

/** What can make a shape on an adapter. */
export const candidatesFor = (gpu: Gpu, shape: MatmulShape): Candidate[] =>
  MATMUL_FAMILIES.filter((family) => runsOn(gpu.device, family) && family.makes(shape)).flatMap(
    (family) => family.tiles.map((tile) => ({ family, tile })),
  );

/**
 * Whether a tile is worth measuring at so many rows of outputs: one four times as tall idles for the most
 * part. The built-in tile of the row class and the family's lowest always are.
 */
export function isSensible(
  gpu: Gpu,
  shape: MatmulShape,
  { family, tile }: Candidate,
  rows: number,
  rowClass: number,
): boolean {
  const lowest = Math.min(...family.tiles.map(({ outputs }) => outputs[0]));
  const builtIn = builtInChoice(gpu.variants, shape);
  return tile.outputs[0] <= Math.max(lowest, 4 * rows) || builtIn.tiles[rowClass] === tile;
}

/** Ops whose every product is made in one way, as far as its family makes it. */
export const opsWith = (gpu: Gpu, { family, tile }: Candidate) =>
  new Ops(gpu, 16, {
    matmul: family.name,
    tiles: { ...gpu.variants.tiles, [family.name]: tile.name },
    tuned: {},
  });

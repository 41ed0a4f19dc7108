import type { Family, Tile } from "./matmul-family.ts";
import lanesSource from "./matmul-lanes.wgsl" with { type: "text" };
import { tiled } from "./matmul-tiled.ts";
import source from "./matmul-tiled.wgsl" with { type: "text" };

/** Four chains of fma, each over every fourth run of 16, added in order. */
export const lanes: Family<"lanes"> = {
  name: "lanes",
  shader: "matmul-lanes",
  source,
  tiles: [
    lanesTile(1),
    lanesTile(8),
    ...tiled.tiles.map((tile) => ({ ...tile, constants: { ...tile.constants, LANES: 4 } })),
  ],
  builtIn: () => "1x8 8x8 16x16 64x64 64x64", // not measured on a GPU yet
  requires: "subgroups",
  limits: tiled.limits,
  makes: ({ product }) => product === "forward",
};

/** `rows` outputs of a column for each four of 32 invocations. */
function lanesTile(rows: number): Tile {
  const outputs = [rows, 8] as const;
  return { name: outputs.join("x"), constants: { ROWS: rows }, source: lanesSource, outputs };
}

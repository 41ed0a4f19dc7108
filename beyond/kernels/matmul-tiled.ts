import type { Family, Tile } from "./matmul-family.ts";
import forwardSource from "./matmul-tiled.wgsl" with { type: "text" };
import source from "./matmul-tiled-backward.wgsl" with { type: "text" };

/** A chain of fma in the order of the contraction. */
export const tiled: Family<"tiled"> = {
  name: "tiled",
  shader: "matmul-tiled",
  source,
  files: { "matmul-tiled.wgsl": forwardSource },
  tiles: [tiledTile(1, 1, 16, 4), tiledTile(8, 2, 8, 8)],
  builtIn: () => "16x16 16x16 16x16 64x64 64x64", // not measured on a GPU yet
  limits: { invocations: 64, sharedBytes: 16384 },
  makes: () => true,
};

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

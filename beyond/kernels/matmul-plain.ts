import source from "../../shaders/matmul.wgsl" with { type: "text" };
import type { Family, Tile } from "./matmul-family.ts";
import subgroupSource from "./matmul-subgroup.wgsl" with { type: "text" };
import { type AdapterKind, LANES } from "./subgroups.ts";

/** A mat4x4f product for each four of the contraction, added in their order. */
export const plain: Family<"plain"> = {
  name: "plain",
  shader: "matmul",
  source,
  tiles: [
    plainTile(4, 8, 8, 8),
    { ...plainTile(16, 16, 2, 2), compilesSlowly: true },
    ...LANES.flatMap((lanes) => [4, 8, 16].map((rows) => subgroupTile(rows, lanes))),
  ],
  builtIn,
  describe: (tiles) => `tiles of ${tiles} in registers, no barrier`,
  limits: { invocations: 64, sharedBytes: 0 },
  makes: () => true,
};

// Every lane of a load costs SwiftShader several instructions, so larger tiles are faster: 16 x 16 by 1.4 over
// 8 x 8 and by 1.8 over 4 x 8, for 0.3 s of compiling each; where their rows are filled: for few rows
// 4 x 8 is several times as fast. LLVM's drivers gain nothing by larger ones.
function builtIn(kind: AdapterKind, lanes: number): string {
  if (kind === "hardware") return "4x8"; // not measured on a GPU yet
  const isSwiftShader = kind === "SwiftShader";
  if (!LANES.includes(lanes)) return isSwiftShader ? "4x8 4x8 4x8 16x16 16x16" : "4x8";
  const [one, few, many] = [4, 8, 16].map((rows) => subgroupTile(rows, lanes).name);
  // On SwiftShader 16 x 16 is faster for many rows, by a quarter.
  const [more, most] = isSwiftShader ? [few, "16x16"] : [many, many];
  return [one, few, more, most, most].join(" ");
}

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
    rowsFirst: true,
    outputs: [rows, 4 * lanes],
  };
}

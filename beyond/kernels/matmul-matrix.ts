import rangeSource from "./f16-range.wgsl" with { type: "text" };
import { type Family, LARGEST_PARTS, type Tile } from "./matmul-family.ts";
import forwardSource from "./matmul-matrix.wgsl" with { type: "text" };
import source from "./matmul-matrix-backward.wgsl" with { type: "text" };
import type { SubgroupMatrix } from "./subgroups.ts";

/** Products of subgroup matrices, added in the order of the contraction. */
export const matrix: Family<"matrix"> = {
  name: "matrix",
  shader: "matmul-matrix",
  source,
  files: { "f16-range.wgsl": rangeSource, "matmul-matrix.wgsl": forwardSource },
  tiles: [
    matrixTile([16, 16], [1, 1], 256, 128),
    matrixTile([32, 16], [2, 2], 64),
    matrixTile([32, 32], [2, 2], 32),
    matrixTile([64, 32], [2, 4], 32),
  ],
  builtIn: () => "16x16 16x16 64x32 64x64 128x128", // not measured on a GPU yet
  requires: "subgroup matrices of f16",
  limits: { invocations: 256, sharedBytes: 32768 },
  roundsGradients: true,
  makes: ({ product, format, dtype }) =>
    dtype === "f16" && (product === "backwardWeight" || format !== "f32"),
  fit: matrixConstants,
};

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

import { expect, test } from "bun:test";
import { MATMUL_FAMILIES } from "../../beyond/kernels/matmul-families.ts";
import type { MatmulShape, Tile } from "../../beyond/kernels/matmul-family.ts";
import { formatChoice } from "../../beyond/kernels/matmuls.ts";
import { chooseVariants } from "../../beyond/kernels/variants.ts";
import { chooseMatmul, type Timing } from "../../beyond/tuning/choose.ts";
import { shapeLines } from "../../beyond/tuning/report.ts";

const shape: MatmulShape = { product: "forward", K: 64, N: 192, format: "f32", dtype: "f32" };
const variants = chooseVariants("llvmpipe", true); // plain 4x8

/** Seconds of a way to make the product, by row class; null where it was not measured. */
function timed(name: string, seconds: (number | null)[]): Timing[] {
  const [familyName, tileName] = name.split(" ");
  const family = MATMUL_FAMILIES.find((family) => family.name === familyName);
  const tile = family?.tiles.find((tile) => tile.name === tileName);
  if (!family || !tile) throw new Error(name);
  return seconds.flatMap((seconds, rowClass) =>
    seconds === null ? [] : [{ family, tile, rowClass, seconds }],
  );
}

const choose = (ways: Record<string, (number | null)[]>, rejected?: Set<Tile>) =>
  formatChoice(
    chooseMatmul(
      variants,
      shape,
      Object.entries(ways).flatMap(([name, seconds]) => timed(name, seconds)),
      rejected,
    ),
  );

test("nothing measured: the built-in choice", () => {
  expect(choose({})).toBe("plain 4x8");
});

test("one family for all row classes, then a tile of it for each", () => {
  // in classes 0 and 1 the tiled one is slower, in the others faster by more
  const ways = { "plain 4x8": [1, 1, 4, 8, 8], "tiled 16x16": [1.2, 1.2, 4, 8, 8] };
  expect(choose({ ...ways, "tiled 64x64": [null, null, 1, 1, 1] })).toBe(
    "tiled 16x16 16x16 64x64 64x64 64x64",
  );
  // by less
  expect(choose({ ...ways, "tiled 64x64": [null, null, 4, 7, 7] })).toBe("plain 4x8");
});

test("what errors of measuring explain changes nothing", () => {
  const plain = { "plain 4x8": [1, 1, 1, 1, 1] };
  expect(choose({ ...plain, "tiled 16x16": [0.92, 0.92, 0.92, 0.92, 0.92] })).toBe("plain 4x8");
  expect(choose({ ...plain, "plain 16x16": [0.97, 0.97, 0.97, 0.97, 0.5] })).toBe(
    "plain 4x8 4x8 4x8 4x8 16x16",
  );
  expect(choose({ ...plain, "tiled 16x16": [0.8, 0.8, 0.8, 0.8, 0.8] })).toStartWith("tiled");
});

test("a family that fails in a row class is out, also the built-in one", () => {
  const some = [null, 0.1, 0.1, 0.1, 0.1];
  const all = [1, 1, 1, 1, 1];
  expect(choose({ "plain 4x8": all, "tiled 16x16": some })).toBe("plain 4x8");
  expect(choose({ "plain 4x8": some, "tiled 16x16": all })).toBe("tiled 16x16");
});

test("row classes that were not measured get the family's built-in tile", () => {
  const ways = { "plain 4x8": [null, null, null, 9, 9], "tiled 16x16": [null, null, null, 2, 3] };
  expect(choose({ ...ways, "tiled 64x64": [null, null, null, 3, 1] })).toBe(
    "tiled 16x16 16x16 16x16 16x16 64x64",
  );
});

test("a tile that was rejected is never chosen, also where nothing was measured", () => {
  const [plain, tiled] = MATMUL_FAMILIES.map(({ tiles }) => tiles);
  const name = "subgroup-4x16";
  const ways = {
    "plain 16x16": [null, null, null, 9, 9],
    [`plain ${name}`]: [null, null, null, 2, 3],
  };
  expect(choose(ways, new Set(plain.slice(0, 1)))).toBe(`plain 16x16 16x16 16x16 ${name} ${name}`);
  expect(choose({}, new Set(plain.slice(0, 2)))).toBe(`plain ${name}`);
  expect(choose({}, new Set(plain))).toBe("tiled 16x16 16x16 16x16 64x64 64x64");
  expect(choose({}, new Set([...plain, tiled[1]]))).toBe("tiled 16x16");
  expect(choose({}, new Set([...plain, ...tiled]))).toBe("plain 4x8"); // there is nothing else
});

test("the rates of a shape, with what was chosen", () => {
  const rates = (name: string, seconds: (number | null)[]) =>
    timed(name, seconds).map((timing) => ({ ...timing, flops: 1e9 / timing.seconds }));
  const timings = [
    ...rates("plain 4x8", [null, null, null, 1, 2]),
    ...rates("plain 16x16", [null, null, null, 0.125, 2]),
  ];
  const choice = chooseMatmul(variants, shape, timings);
  expect(shapeLines({ shape, timings, choice })).toEqual([
    "",
    "forward 64x192 f32 f32",
    "  rows               1         8        64       256      more",
    "  plain 4x8                                     1.00     0.500*",
    "  plain 16x16                                   8.00*    0.500",
  ]);
});

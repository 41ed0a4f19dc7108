import type { Matrix } from "../../lib/model/matrix.ts";
import { ceil } from "../../lib/model/ops/kernels.ts";
import type { Matmul as Made, Product } from "../../lib/model/ops/linear.ts";
import type { Dtype } from "../storage/precision.ts";
import type { WeightFormat } from "../storage/weight-formats.ts";
import { MATMUL_FAMILIES, type MatmulFamily, matmulFamily, matmulName } from "./matmul-families.ts";
import { type MatmulShape, PRODUCTS, type Tile } from "./matmul-family.ts";
import { tiled } from "./matmul-tiled.ts";
import type { Variants } from "./variants.ts";

/** The most rows of outputs in each row class: T of them, or N in backwardWeight. */
export const ROW_CLASSES = [1, 8, 64, 256, Number.POSITIVE_INFINITY] as const;

export function rowClass(rows: number): number {
  let index = 0;
  while (rows > ROW_CLASSES[index]) index++;
  return index;
}

/** The family of a shape, and its tile for each row class. */
export interface MatmulChoice {
  readonly family: MatmulFamily;
  readonly tiles: readonly Tile[];
}

/** What a shape is called in tables: `forward 576x1536 f32 f32`. */
export const shapeKey = ({ product, K, N, format, dtype }: MatmulShape) =>
  `${product} ${K}x${N} ${format} ${dtype}`;

/** A choice as tables have it: `plain 16x16`, or with a tile for each row class. */
export function formatChoice({ family, tiles }: MatmulChoice): string {
  const names = tiles.map(({ name }) => name);
  return [family.name, ...(new Set(names).size === 1 ? names.slice(0, 1) : names)].join(" ");
}

/** Reads what `formatChoice` wrote; undefined if it names what there is not. */
export function parseChoice(text: string): MatmulChoice | undefined {
  const [name, ...names] = text.split(" ");
  const family = MATMUL_FAMILIES.find((family) => family.name === name);
  if (!family || (names.length !== 1 && names.length !== ROW_CLASSES.length)) return undefined;
  const tiles = ROW_CLASSES.map((_, i) => {
    return family.tiles.find(({ name }) => name === (names.length === 1 ? names[0] : names[i]));
  });
  return tiles.every((tile) => tile !== undefined) ? { family, tiles } : undefined;
}

/** What makes a shape on an adapter with these variants. */
export function matmulChoice(variants: MatmulVariants, shape: MatmulShape): MatmulChoice {
  const tuned = parseChoice(variants.tuned[shapeKey(shape)] ?? "");
  return tuned ?? builtInChoice(variants, shape);
}

type MatmulVariants = Pick<Variants, "matmul" | "tiles" | "tuned">;

/** The same without tuning: the adapter's family if it makes the shape, else `tiled`. */
export function builtInChoice(
  { matmul, tiles }: Pick<Variants, "matmul" | "tiles">,
  shape: MatmulShape,
): MatmulChoice {
  const wanted = matmulFamily(matmul);
  const { name } = wanted.makes(shape) ? wanted : tiled;
  return parseChoice(`${name} ${tiles[name]}`) as MatmulChoice;
}

/** What makes a product, and whether it rounds dy. */
export interface Matmul extends Made {
  readonly roundsGradients: boolean;
  /** If it compiles slowly: one that does not, with the same bits. */
  readonly quicker?: Matmul;
}

/** Finds what makes each product, and remembers it for each matrix: a lookup allocates nothing. */
export class Matmuls {
  private readonly found = Object.fromEntries(
    PRODUCTS.map((product) => [product, { f32: new WeakMap(), f16: new WeakMap() }]),
  ) as Record<Product, Record<Dtype, WeakMap<Matrix, readonly Matmul[]>>>;

  constructor(private readonly variants: MatmulVariants) {}

  /** `dtype` as in `MatmulShape`; `rows` of outputs. */
  of(product: Product, matrix: Matrix, dtype: Dtype, rows: number): Matmul {
    const known = this.found[product][dtype];
    let classes = known.get(matrix);
    if (!classes) {
      const { rows: N, columns: K } = matrix;
      const format = matrix.format as WeightFormat;
      const choice = matmulChoice(this.variants, { product, K, N, format, dtype });
      classes = choice.tiles.map((tile) => asMatmul(choice, tile));
      known.set(matrix, classes);
    }
    return classes[rowClass(rows)];
  }
}

function asMatmul({ family, tiles }: MatmulChoice, tile: Tile): Matmul {
  const [tileRows, tileColumns] = tile.outputs;
  const quicker = tile.compilesSlowly && tiles.findLast(({ compilesSlowly }) => !compilesSlowly);
  return {
    ...(quicker && { quicker: asMatmul({ family, tiles }, quicker) }),
    name: matmulName(family, tile),
    roundsGradients: family.roundsGradients ?? false,
    groups(rows, columns) {
      const [x, y] = [ceil(columns, tileColumns), ceil(rows, tileRows)];
      return tile.rowsFirst ? [y, x] : [x, y];
    },
  };
}

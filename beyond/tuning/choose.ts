import { MATMUL_FAMILIES, type MatmulFamily } from "../kernels/matmul-families.ts";
import type { MatmulShape, Tile } from "../kernels/matmul-family.ts";
import { builtInChoice, type MatmulChoice, parseChoice, ROW_CLASSES } from "../kernels/matmuls.ts";
import type { Variants } from "../kernels/variants.ts";

/** How long one way to make a product took, at the rows that stand for a row class. */
export interface Timing {
  readonly family: MatmulFamily;
  readonly tile: Tile;
  readonly rowClass: number;
  readonly seconds: number;
}

/** What must be gained before a choice departs from the built-in one: more than measuring errs by. */
const FAMILY_GAIN = 0.1;
const TILE_GAIN = 0.05;

/**
 * The way with the least geometric mean of its times, which are infinite where it failed; the first one,
 * unless another gains more on it than measuring errs by.
 */
export function fastestWay<Way>(times: readonly (readonly [Way, readonly number[]])[]): Way {
  const cost = (seconds: readonly number[]) =>
    seconds.reduce((sum, one) => sum + Math.log(one), 0) / seconds.length;
  const [[first, usual], ...others] = times;
  let best = first;
  let least = cost(usual) + Math.log(1 - FAMILY_GAIN);
  for (const [way, seconds] of others) {
    if (!(cost(seconds) < least)) continue;
    best = way;
    least = cost(seconds);
  }
  return best;
}

/**
 * One family for all row classes of a shape, since families may add in different orders, and then a tile of
 * it for each class. The family is the fastest by its best tiles, and a class counts as much as another, as
 * a table outlives the run that measured it.
 * Classes that were not measured get the family's built-in tile, or, if that is among the `rejected`, the next
 * smaller one that is not, or else the smallest. If all are, the built-in choice stays: there is nothing else.
 */
export function chooseMatmul(
  variants: Pick<Variants, "matmul" | "tiles">,
  shape: MatmulShape,
  timings: readonly Timing[],
  rejected: ReadonlySet<Tile> = new Set(),
): MatmulChoice {
  const builtIn = builtInChoice(variants, shape);
  const isLeft = (tile: Tile) => !rejected.has(tile);
  const classes = [...new Set(timings.map(({ rowClass }) => rowClass))];
  const fastest = (family: MatmulFamily, rowClass: number) =>
    timings
      .filter((timing) => timing.family === family && timing.rowClass === rowClass)
      .reduce<Timing | null>((a, b) => (a && a.seconds <= b.seconds ? a : b), null);
  // The first two make everything everywhere, and stand in where the built-in family is rejected.
  const measured = timings.map(({ family }) => family);
  const families = new Set([builtIn.family, ...measured, ...MATMUL_FAMILIES.slice(0, 2)]);
  const usable = [...families].filter(({ tiles }) => tiles.some(isLeft));
  if (usable.length === 0) return builtIn;
  const times = usable.map((family): [MatmulFamily, number[]] => [
    family,
    classes.map((rowClass) => fastest(family, rowClass)?.seconds ?? Number.POSITIVE_INFINITY),
  ]);
  const family = fastestWay(times);
  const usual = parseChoice(`${family.name} ${variants.tiles[family.name]}`) as MatmulChoice;
  const tiles = ROW_CLASSES.map((_, rowClass) => {
    const best = fastest(family, rowClass);
    const tile = leftTile(family, usual.tiles[rowClass], isLeft);
    const now = timings.find(
      (timing) =>
        timing.family === family && timing.rowClass === rowClass && timing.tile.name === tile.name,
    );
    if (!best || (now && best.seconds > now.seconds * (1 - TILE_GAIN))) return tile;
    return best.tile;
  });
  return { family, tiles };
}

function leftTile({ tiles }: MatmulFamily, usual: Tile, isLeft: (tile: Tile) => boolean): Tile {
  const upToUsual = tiles.slice(0, tiles.indexOf(usual) + 1);
  return upToUsual.findLast(isLeft) ?? tiles.find(isLeft) ?? usual;
}

import type { Variants } from "../gpu/variants.ts";
import {
  builtInChoice,
  type MatmulChoice,
  type MatmulFamily,
  type MatmulShape,
  parseChoice,
  ROW_CLASSES,
  type Tile,
} from "../model/ops/matmuls.ts";

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
 * One family for all row classes of a shape, since families may add in different orders, and then a tile of
 * it for each class. The family is that with the least geometric mean, over the classes measured, of its
 * best tile's time; a class counts as much as another, as a table outlives the run that measured it.
 * Classes that were not measured get the family's built-in tile.
 */
export function chooseMatmul(
  variants: Pick<Variants, "matmul" | "tiles">,
  shape: MatmulShape,
  timings: readonly Timing[],
): MatmulChoice {
  const builtIn = builtInChoice(variants, shape);
  const classes = [...new Set(timings.map(({ rowClass }) => rowClass))];
  const fastest = (family: MatmulFamily, rowClass: number) =>
    timings
      .filter((timing) => timing.family === family && timing.rowClass === rowClass)
      .reduce<Timing | null>((a, b) => (a && a.seconds <= b.seconds ? a : b), null);
  // mean logarithm of the time; a family without a time in some class is out
  const cost = (family: MatmulFamily) =>
    classes.reduce(
      (sum, rowClass) => sum + Math.log(fastest(family, rowClass)?.seconds ?? Infinity),
      0,
    ) / classes.length;

  let { family } = builtIn;
  let least = classes.length > 0 ? cost(family) + Math.log(1 - FAMILY_GAIN) : -Infinity;
  for (const other of new Set(timings.map(({ family }) => family))) {
    if (other === builtIn.family || !(cost(other) < least)) continue;
    family = other;
    least = cost(other);
  }
  const usual = parseChoice(`${family.name} ${variants.tiles[family.name]}`) as MatmulChoice;
  const tiles = ROW_CLASSES.map((_, rowClass) => {
    const best = fastest(family, rowClass);
    const tile = usual.tiles[rowClass];
    const now = timings.find(
      (timing) =>
        timing.family === family && timing.rowClass === rowClass && timing.tile.name === tile.name,
    );
    if (!best || (now && best.seconds > now.seconds * (1 - TILE_GAIN))) return tile;
    return best.tile;
  });
  return { family, tiles };
}

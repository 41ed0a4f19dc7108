import { MATMUL_FAMILIES, tilesOn } from "../kernels/matmul-families.ts";
import type { MatmulShape, Tile } from "../kernels/matmul-family.ts";
import { linearBackward, linearForward } from "../oracle/cases/matrix.ts";
import { rowClassDifferences } from "../oracle/row-classes.ts";
import { runCase } from "../oracle/run-case.ts";
import type { SystemGpu } from "../platform/gpu.ts";
import { type Candidate, opsWith } from "./candidates.ts";

/**
 * What a way to make products must show before it may be chosen: sums as the float64 oracle has them, and
 * the bits of its family's first tile. Each way is tried once for each kind of product, at a small shape.
 */
export class CandidateChecks {
  private readonly results = new Map<string, Promise<boolean>>();
  private readonly failed = new Map<string, Set<Tile>>();

  constructor(
    private readonly gpu: SystemGpu,
    private readonly reject: (text: string) => void,
  ) {}

  pass(candidate: Candidate, shape: MatmulShape): Promise<boolean> {
    const { family, tile } = candidate;
    const key = `${family.name} ${tile.name} ${kindOf(shape)}`;
    let result = this.results.get(key);
    if (!result) {
      result = this.problem(candidate, shape).then((problem) => {
        if (problem === null) return true;
        this.reject(`${key}: ${problem}; it is left out`);
        const failed = this.failed.get(kindOf(shape)) ?? new Set();
        this.failed.set(kindOf(shape), failed.add(tile));
        return false;
      });
      this.results.set(key, result);
    }
    return result;
  }

  /** The tiles that cannot make products like this one: they did not pass, or the adapter cannot run them. */
  rejected(shape: MatmulShape): Set<Tile> {
    const failed = this.failed.get(kindOf(shape)) ?? [];
    const others = MATMUL_FAMILIES.flatMap((family) => {
      const runnable = tilesOn(this.gpu, family);
      return family.tiles.filter((tile) => !runnable.includes(tile));
    });
    return new Set([...failed, ...others]);
  }

  private async problem(candidate: Candidate, shape: MatmulShape): Promise<string | null> {
    let mistake: string | null = null;
    const complaint = await this.gpu.attempt(async () => {
      mistake = await this.mistake(candidate, shape);
    });
    return complaint ?? mistake;
  }

  private async mistake(candidate: Candidate, shape: MatmulShape): Promise<string | null> {
    const { gpu } = this;
    const { family } = candidate;
    const { product, format, dtype } = shape;
    const ops = opsWith(gpu, candidate);
    const dy = family.roundsGradients ? "f16" : "f32";
    const tried = { T: 37, K: 96, N: 43, blockRows: 20, format, x: dtype, dy } as const;
    const check =
      product === "forward" ? linearForward({ ...tried, y: dtype }) : linearBackward(tried);
    for (const { kernel, error, tolerance, norm } of await runCase(gpu, ops, check)) {
      if (!(error <= tolerance)) return `${kernel} errs by ${(error / norm).toExponential(1)}`;
    }
    const [first] = family.tiles;
    if (first === candidate.tile || product === "backwardWeight") return null;
    const entries = [product === "forward" ? "forward" : "backward_input"] as const;
    const fewer = opsWith(gpu, { family, tile: first });
    const shares = await rowClassDifferences(gpu, ops, { fewer, entries, format, dtype });
    return shares[entries[0]] > 0 ? "its bits are not those of the family's first tile" : null;
  }
}

const kindOf = ({ product, format, dtype }: MatmulShape) => `${product} ${format} ${dtype}`;

import type { MatmulShape } from "../kernels/matmul-family.ts";
import { type MatmulChoice, rowClass, shapeKey } from "../kernels/matmuls.ts";
import type { SystemGpu } from "../platform/gpu.ts";
import { candidatesFor, isSensible, opsWith } from "./candidates.ts";
import { CandidateChecks } from "./checks.ts";
import { chooseMatmul, type Timing } from "./choose.ts";
import { MatmulTrial } from "./rates.ts";

/** A shape, how fast each way to make it was, and what was chosen. */
export interface TunedShape {
  shape: MatmulShape;
  /** In the order of the families and their tiles. */
  timings: (Timing & { flops: number })[];
  choice: MatmulChoice;
}

/** Rows that stand for all row classes but the last, which are those of learning. */
const ROWS = [1, 8, 64, 256];
const LEARNING = { software: 384, hardware: 1024 };
/** ... and are fewer where a product has more operations than this, but still of that class. */
const MOST_OPERATIONS = 4e10;
const FEWEST = 320;
/** Wider matrices, such as heads, are measured by a part that fills any GPU. */
const MOST_COLUMNS = 8192;
const MOST_BYTES = 2 ** 28;
/** What is slower than the fastest by this is not tried with more rows. */
const HOPELESS = 20;
/** What is expected to take longer is not tried: a watchdog may reset a GPU that is busy for two. */
const MOST_SECONDS = { software: 5, hardware: 0.5 };

/**
 * Measures what makes products of these shapes, and chooses. Ways that give wrong sums, or other bits than
 * their family's first tile, are left out and told to `reject`.
 * @param seconds after which the shapes that are left have no timings, and keep their built-in choice unless it
 *   was left out
 */
export async function searchMatmuls(
  gpu: SystemGpu,
  shapes: readonly MatmulShape[],
  seconds: number,
  reject: (text: string) => void,
  onShape: (tuned: TunedShape) => void = () => {},
): Promise<TunedShape[]> {
  const began = performance.now();
  const isLate = () => performance.now() - began > 1000 * seconds;
  const checks = new CandidateChecks(gpu, reject);
  const tuned: TunedShape[] = [];
  for (const shape of shapes) {
    let timings: TunedShape["timings"] = [];
    const complaint = await gpu.attempt(async () => {
      timings = await measureShape(gpu, shape, checks, isLate);
    });
    if (complaint) reject(`${shapeKey(shape)} cannot be measured: ${complaint}`);
    const choice = chooseMatmul(gpu.variants, shape, timings, checks.rejected(shape));
    tuned.push({ shape, timings, choice });
    onShape(tuned[tuned.length - 1]);
  }
  return tuned;
}

/** Times everything that can make a shape; nothing if it gets late meanwhile. */
async function measureShape(
  gpu: SystemGpu,
  shape: MatmulShape,
  checks: CandidateChecks,
  isLate: () => boolean,
): Promise<TunedShape["timings"]> {
  const { product, K } = shape;
  const kind = gpu.isSoftware ? "software" : "hardware";
  const room = Math.min(gpu.bindingLimit, gpu.bufferLimit, MOST_BYTES) / 4;
  const widest = Math.min(MOST_COLUMNS, Math.floor(room / Math.max(K, LEARNING[kind])));
  const N = 4 * Math.ceil(Math.min(shape.N, widest) / 4);
  const affordable = Math.max(FEWEST, Math.floor(MOST_OPERATIONS / (2 * K * N)));
  const most = Math.min(LEARNING[kind], affordable);
  const trial = new MatmulTrial(gpu, { ...shape, N }, most);
  const timing = gpu.isSoftware ? { tries: 3, seconds: 0.02 } : { tries: 2, seconds: 0.001 };
  const timings: TunedShape["timings"] = [];
  const fastest: (number | undefined)[] = []; // by row class
  try {
    for (const { family, tile } of candidatesFor(gpu, shape)) {
      if (isLate() || !(await checks.pass({ family, tile }, shape))) continue;
      const ops = opsWith(gpu, { family, tile });
      let perRow = 0;
      for (const { rows, index } of runsOf(shape, most)) {
        const outputs = product === "backwardWeight" ? N : rows;
        if (index !== null && !isSensible(gpu, shape, { family, tile }, outputs, index)) continue;
        if (isLate() || perRow * rows > MOST_SECONDS[kind]) break;
        const seconds = await trial.seconds(ops, rows, timing);
        perRow = seconds / rows;
        const flops = (2 * rows * K * N) / seconds;
        if (index === null) continue;
        timings.push({ family, tile, rowClass: index, seconds, flops });
        fastest[index] = Math.min(seconds, fastest[index] ?? seconds);
        if (seconds > HOPELESS * fastest[index]) break;
      }
    }
    return isLate() ? [] : timings;
  } finally {
    trial.free();
  }
}

/**
 * The rows at which a product is measured, ascending, and the index of the row class they stand for; null
 * for what only tells what to expect of more. A gradient of x is never of a few rows; one of W is [N, K]
 * whatever they are.
 */
function runsOf(
  { product, N }: MatmulShape,
  most: number,
): { rows: number; index: number | null }[] {
  if (product === "backwardWeight") {
    return [
      { rows: 64, index: null },
      { rows: most, index: rowClass(N) },
    ];
  }
  const all = [...ROWS, most].map((rows) => ({ rows, index: rowClass(rows) }));
  return product === "forward" ? all : all.slice(2);
}

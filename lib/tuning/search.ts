import type { Gpu } from "../gpu/device.ts";
import { type MatmulChoice, type MatmulShape, rowClass, shapeKey } from "../model/ops/matmuls.ts";
import { MatmulTrial } from "../model/rates.ts";
import { candidatesFor, isSensible, opsWith } from "./candidates.ts";
import { CandidateChecks } from "./checks.ts";
import { chooseMatmul, type Timing } from "./choose.ts";

/** A shape, how fast each way to make it was, and what was chosen. */
export interface TunedShape {
  shape: MatmulShape;
  /** In the order of the families and their tiles. */
  timings: (Timing & { flops: number })[];
  choice: MatmulChoice;
}

/** Rows that stand for the row classes; the last are those of learning. */
const rowsOf = (gpu: Gpu) => [1, 8, 64, 256, gpu.isSoftware ? 384 : 1024];

/** Wider matrices, such as heads, are measured by a part that fills any GPU. */
const MOST_COLUMNS = 8192;
const MOST_BYTES = 2 ** 28;

/**
 * Measures what makes products of these shapes, and chooses. Ways that give wrong sums, or other bits than
 * their family's first tile, are left out and told to `reject`.
 * @param seconds after which the shapes that are left keep their built-in choice
 */
export async function searchMatmuls(
  gpu: Gpu,
  shapes: readonly MatmulShape[],
  seconds: number,
  reject: (text: string) => void,
  onShape: (tuned: TunedShape) => void = () => {},
): Promise<TunedShape[]> {
  const began = performance.now();
  const checks = new CandidateChecks(gpu, reject);
  const tuned: TunedShape[] = [];
  for (const shape of shapes) {
    const isLate = performance.now() - began > 1000 * seconds;
    let timings: TunedShape["timings"] = [];
    const complaint = await gpu.attempt(async () => {
      if (!isLate) timings = await measureShape(gpu, shape, checks);
    });
    if (complaint) reject(`${shapeKey(shape)} cannot be measured: ${complaint}`);
    const choice = chooseMatmul(gpu.variants, shape, timings);
    tuned.push({ shape, timings, choice });
    onShape(tuned[tuned.length - 1]);
  }
  return tuned;
}

async function measureShape(gpu: Gpu, shape: MatmulShape, checks: CandidateChecks) {
  const { product, K } = shape;
  const representatives = rowsOf(gpu);
  const most = representatives[representatives.length - 1];
  const room = Math.min(gpu.bindingLimit, gpu.bufferLimit, MOST_BYTES) / 4;
  const widest = Math.min(MOST_COLUMNS, Math.floor(room / Math.max(K, most)));
  const N = 4 * Math.ceil(Math.min(shape.N, widest) / 4);
  const trial = new MatmulTrial(gpu, { ...shape, N }, most);
  // a gradient of x needs many rows; one of W is [N, K] whatever they are
  const measured = product === "forward" ? representatives : representatives.slice(-2);
  const runs =
    product === "backwardWeight"
      ? [{ rows: most, class: rowClass(shape.N) }]
      : measured.map((rows) => ({ rows, class: rowClass(rows) }));
  const timing = gpu.isSoftware ? { tries: 3, seconds: 0.02 } : { tries: 2, seconds: 0.002 };
  const timings: TunedShape["timings"] = [];
  try {
    for (const { family, tile } of candidatesFor(gpu, shape)) {
      if (!(await checks.pass({ family, tile }, shape))) continue;
      const ops = opsWith(gpu, { family, tile });
      for (const run of runs) {
        const outputRows = product === "backwardWeight" ? N : run.rows;
        if (!isSensible(gpu, shape, { family, tile }, outputRows, run.class)) continue;
        const seconds = await trial.seconds(ops, run.rows, timing);
        const flops = (2 * run.rows * K * N) / seconds;
        timings.push({ family, tile, rowClass: run.class, seconds, flops });
      }
    }
    return timings;
  } finally {
    trial.free();
  }
}

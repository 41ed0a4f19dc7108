import type { Part } from "./harness.ts";
import { type StepTimes, timedTraining } from "./stopwatch.ts";
import { median, type Row, type Section } from "./tables.ts";
import { DATA } from "./training.ts";

const STEPS = 2000;
/** Steps whose median makes one point of the line that is fitted, so that a busy moment does not count. */
const BLOCK = 100;
/** Until then code is compiled, and memory taken that is used again later. */
const WARM_UP = 100;

/** Whether a long run slows down, or takes more and more memory: 2,000 short steps. */
export const longRunPart: Part = {
  about: "whether 2,000 steps slow down or take more and more memory",
  async run(bench) {
    // A model that learns writes longer completions, and its steps take longer for that reason.
    const still = ["--learning-rate", "0", "--explore", "none", "--save-steps", "100000"];
    const short = ["--prompts-per-step", "4", "--num-generations", "4"];
    const adapter = bench.request ? ["--gpu", bench.request] : [];
    const length = ["--max-steps", `${STEPS}`, "--max-completion-length", "16"];
    const { times } = await timedTraining([DATA, ...still, ...short, ...length, ...adapter]);
    bench.show(summary(times));
    bench.show({ title: "The long run in blocks", rows: blocks(times) });
  },
};

function summary(times: readonly StepTimes[]): Section {
  const points = blocks(times).filter(({ step }) => step > WARM_UP);
  const steps = points.map(({ step }) => step);
  const row = (name: string, unit: string, values: number[]): Row => {
    const { slope, error } = fitLine(steps, values);
    const [at100, at2000] = [WARM_UP, STEPS].map(
      (x) => meanOf(values) + slope * (x - meanOf(steps)),
    );
    const [per, plusMinus] = [1000 * slope, 1000 * error];
    return {
      name,
      [`at step ${WARM_UP}`]: at100,
      [`at step ${STEPS}`]: at2000,
      "per 1,000 steps": per,
      "+-": plusMinus,
      unit,
    };
  };
  const objects = times.slice(WARM_UP).reduce((sum, { gpuObjects }) => sum + gpuObjects, 0);
  return {
    title: `${STEPS} steps of 16 completions: lines through medians of ${BLOCK} steps`,
    rows: [
      row(
        "time of a step",
        "ms",
        points.map(({ ms }) => ms),
      ),
      row(
        "resident memory",
        "MiB",
        points.map(({ MiB }) => MiB),
      ),
      { name: `GPU objects created after step ${WARM_UP}`, [`at step ${STEPS}`]: objects },
    ],
  };
}

/** The medians of each block of steps. */
function blocks(times: readonly StepTimes[]) {
  return Array.from({ length: STEPS / BLOCK }, (_, i) => {
    const block = times.slice(i * BLOCK, (i + 1) * BLOCK);
    const step = i * BLOCK + BLOCK / 2;
    return {
      name: `around step ${step}`,
      step,
      ms: 1000 * median(block.map(({ whole }) => whole)),
      MiB: median(block.map(({ residentBytes }) => residentBytes)) / 2 ** 20,
    };
  });
}

const meanOf = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** Least squares: the slope of y over x, and its standard error from the scatter about the line. */
function fitLine(x: readonly number[], y: readonly number[]) {
  const [mx, my] = [meanOf(x), meanOf(y)];
  const sxx = x.reduce((sum, xi) => sum + (xi - mx) ** 2, 0);
  const slope = x.reduce((sum, xi, i) => sum + (xi - mx) * (y[i] - my), 0) / sxx;
  const scatter = x.reduce((sum, xi, i) => sum + (y[i] - my - slope * (xi - mx)) ** 2, 0);
  return { slope, error: Math.sqrt(scatter / (x.length - 2) / sxx) };
}

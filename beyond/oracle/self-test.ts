/** The self-test: every kernel on this adapter, as its oracle has it and with the bits it must share. */
import { gradientFactors } from "../kernels/attention-family.ts";
import { makeOps } from "../kernels/ops.ts";
import { patienceOn } from "../kernels/variants.ts";
import type { SystemGpu } from "../platform/gpu.ts";
import { hasHalves } from "../storage/precision.ts";
import { attentionDifferences } from "./attention-layouts.ts";
import { attention, splitAttention } from "./cases/attention.ts";
import type { KernelCase } from "./cases/case.ts";
import {
  halfCases,
  longCaches,
  manyRows,
  matrixCases,
  packedHeads,
  smallCases,
} from "./cases/small.ts";
import type { Comparison } from "./compare.ts";
import { rowClassDifferences } from "./row-classes.ts";
import { type OutputCheck, runCase } from "./run-case.ts";

export interface KernelCheck {
  /** Shader and entry point, such as `matmul.forward`. */
  kernel: string;
  /** ‖out - reference‖ / ‖reference‖ of its worst output; NaN if something is not finite. */
  error: number;
  /** What is allowed of that. */
  tolerance: number;
  passed: boolean;
  /** What was dispatched for it, as `matmul-subgroup-4x16.forward`. */
  dispatched: string[];
}

/**
 * Runs every kernel once, at a small ragged shape, against its float64 oracle. Where products have tiles by
 * their rows, each of these is run, and must give the same bits; so must attention in every layout.
 * @throws GpuError if the device refuses
 */
export async function selfTest(
  given: SystemGpu,
  variants = given.variants,
): Promise<KernelCheck[]> {
  const headDim = 16;
  const labels = new Set<string>();
  const gpu = noting(given, labels);
  const ops = makeOps(gpu, headDim, { ...variants, plainQueries: 0 });
  const hasClasses = variants.tiles[variants.matmul].includes(" ");
  const hasTiles = variants.attention === "tiled" || variants.attention === "matrix";
  const wide = hasTiles ? makeOps(gpu, WIDE_HEAD, variants) : null;
  const worst = new Map<string, OutputCheck>();
  const dispatched = new Map<string, Set<string>>();
  const run = async (cases: KernelCase[], suffix = "", on = ops) => {
    for (const kernelCase of cases) {
      labels.clear();
      for (const result of await runCase(gpu, on, kernelCase)) {
        if (suffix && !keepsHalves(kernelCase, result.output)) continue;
        const name = result.kernel + suffix;
        dispatched.set(name, new Set([...(dispatched.get(name) ?? []), ...labels]));
        const before = worst.get(name);
        if (!before || badness(result) > badness(before)) worst.set(name, result);
      }
    }
  };
  await run(smallCases(headDim));
  if (variants.attention !== "plain") {
    // the way out where the adapter's own is wrong
    const plain = makeOps(gpu, headDim, { ...variants, attention: "plain" });
    await run([...attention(packedHeads(headDim)), splitAttention(longCaches(headDim))], "", plain);
  }
  if (hasClasses) await run(manyRows());
  if (patienceOn(gpu.found.name)) {
    const patience = { products: Infinity, queries: Infinity };
    const cases = [...manyRows(), ...attention(packedHeads(headDim))];
    await run(cases, "", makeOps(gpu, headDim, { ...variants, patience }));
  }
  if (wide) await run(attention(packedHeads(WIDE_HEAD)), "", wide);
  if (hasHalves(gpu)) {
    const dtype = "f16";
    await run(halfCases(headDim, gradientFactors(ops.attention, dtype)), HALF_SUFFIX);
    if (hasClasses) await run(manyRows("f16"), HALF_SUFFIX);
    if (wide) {
      const factors = gradientFactors(wide.attention, dtype);
      await run(attention(packedHeads(WIDE_HEAD), { dtype, factors }), HALF_SUFFIX, wide);
    }
    if (variants.subgroupMatrix) {
      const matrices = makeOps(gpu, headDim, { ...variants, matmul: "matrix", tuned: {} });
      await run(matrixCases(), MATRIX_SUFFIX, matrices);
    }
  }
  const checks = Array.from(worst, ([kernel, { error, tolerance, norm }]) => ({
    kernel,
    error: error / (norm || 1),
    tolerance: tolerance / (norm || 1),
    passed: error <= tolerance,
    dispatched: [...(dispatched.get(kernel) ?? [])],
  }));
  if (hasClasses) {
    const shares = Object.entries(await rowClassDifferences(gpu, ops));
    checks.push(
      ...shares.map(([entry, share]) => sameBits(`matmul.${entry} (bits by rows)`, share)),
    );
  }
  const attended = await attentionDifferences(gpu, wide ? WIDE_HEAD : headDim, wide ?? ops);
  for (const [where, share] of Object.entries(attended)) {
    checks.push(sameBits(`attention.forward (bits ${where})`, share));
  }
  if (wide && variants.attention === "matrix" && hasHalves(gpu)) {
    const shares = await attentionDifferences(gpu, WIDE_HEAD, wide, wide, "f16");
    for (const [where, share] of Object.entries(shares)) {
      checks.push(sameBits(`attention.forward${HALF_SUFFIX} (bits ${where})`, share));
    }
  }
  return checks;
}

/** Whether an output depends on what is computed beside it: `error` is the share of outputs that do. */
const sameBits = (kernel: string, error: number): KernelCheck => ({
  kernel,
  error,
  tolerance: 0,
  passed: error === 0,
  dispatched: [],
});

/** The same GPU, noting the labels of what is dispatched, without constants. */
export function noting(gpu: SystemGpu, labels: Set<string>): SystemGpu {
  const { commands } = gpu;
  const dispatch: typeof commands.dispatch = (kernel, ...rest) => {
    labels.add(kernel.label.split(" ")[0]);
    commands.dispatch(kernel, ...rest);
  };
  const noted = {
    kernel: commands.kernel.bind(commands),
    read: commands.read.bind(commands),
    submit: commands.submit.bind(commands),
    dispatch,
  };
  return Object.create(gpu, { commands: { value: noted } });
}

/** Heads as models have them, which the tiles of attention are made for. */
const WIDE_HEAD = 64;

/** Whether an output is in f16, or made from what is. */
const keepsHalves = ({ inputs, outputs }: KernelCase, output: string) =>
  outputs[output].isHalf || Object.values(inputs).some((data) => data instanceof Float16Array);

/** The error as a share of what is allowed. */
function badness({ error, tolerance }: Comparison): number {
  if (Number.isNaN(error)) return Infinity;
  return error === 0 ? 0 : error / tolerance;
}

/** After the name of a kernel that keeps its activations in f16. */
export const HALF_SUFFIX = " (f16)";
/** After the name of a product by subgroup matrices. */
const MATRIX_SUFFIX = " (f16, subgroup matrices)";

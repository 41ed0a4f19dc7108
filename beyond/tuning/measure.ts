import type { Tensor } from "../../lib/gpu/memory.ts";
import type { SystemGpu } from "../platform/gpu.ts";
import source from "./peak.wgsl" with { type: "text" };
import matrixSource from "./peak-matrix.wgsl" with { type: "text" };

/**
 * Seconds that the GPU takes for the work `record` records: the best of `tries` runs, each repeated
 * until it lasts `seconds`, so that what is fixed in a submission and its end does not count.
 * @param result any tensor the work writes
 */
export async function bestSeconds(
  gpu: SystemGpu,
  result: Tensor,
  record: () => void,
  { tries = 5, seconds = 0.05 } = {},
): Promise<number> {
  const out = new Float32Array(1);
  const run = async (repeats: number) => {
    const start = performance.now();
    for (let i = 0; i < repeats; i++) record();
    await gpu.read(result, out);
    return (performance.now() - start) / 1000;
  };
  await run(1); // compiles
  let repeats = 1;
  let elapsed = await run(repeats);
  while (elapsed < seconds) {
    repeats *= Math.min(16, Math.ceil((1.2 * seconds) / elapsed));
    elapsed = await run(repeats);
  }
  let best = elapsed;
  for (let i = 1; i < tries; i++) best = Math.min(best, await run(repeats));
  return best / repeats;
}

/** What no kernel can exceed on an adapter. */
export interface Ceilings {
  /** Floating-point operations a second of multiply-adds in registers, two for each. */
  flops: number;
  /** The same of subgroup matrices of f16 with sums in f32; null where the adapter has none. */
  matrixFlops: number | null;
  /** Bytes a second, read and written, of a kernel that copies. */
  bandwidth: number;
}

/** Measures the adapter's ceilings with beyond/tuning/peak.wgsl and peak-matrix.wgsl. */
export async function measureCeilings(gpu: SystemGpu): Promise<Ceilings> {
  const rounds = gpu.isSoftware ? 256 : 4096;
  const invocations = gpu.isSoftware ? 1 << 12 : 1 << 18;
  const vectors = gpu.isSoftware ? 1 << 20 : 1 << 22;
  const from = gpu.allocate("buffers", "ceilings: from", vectors * 4);
  const to = gpu.allocate("buffers", "ceilings: to", vectors * 4);
  gpu.upload(from, Float32Array.of(0.5, 0.6, 0.7, 0.8, 0.1, 0.2, 0.3, 0.4));
  const seconds = (entryPoint: string, count: number) => {
    const kernel = gpu.commands.kernel("peak", source, entryPoint, { ROUNDS: rounds });
    return bestSeconds(gpu, to, () => {
      const tensors = { source: from, target_: to };
      gpu.commands.dispatch(kernel, tensors, { count }, [count / 64]);
    });
  };
  const flops = (64 * rounds * invocations) / (await seconds("multiply_add", invocations));
  const bandwidth = (32 * vectors) / (await seconds("copy", vectors));
  const matrix = gpu.variants.subgroupMatrix;
  let matrixFlops: number | null = null;
  if (matrix) {
    const groups = 1 << 12; // of four subgroups, each with eight chains
    const { M, N, K } = matrix;
    const constants = { M, N, K, ROUNDS: rounds };
    const kernel = gpu.commands.kernel("peak-matrix", matrixSource, "multiply_add", constants);
    const time = await bestSeconds(gpu, to, () => {
      gpu.commands.dispatch(kernel, { source: from, target_: to }, {}, [groups]);
    });
    matrixFlops = (4 * 16 * M * N * K * rounds * groups) / time;
  }
  gpu.free([from, to]);
  return { flops, matrixFlops, bandwidth };
}

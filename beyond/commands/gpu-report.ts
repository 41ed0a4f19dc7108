import { cpus, release, totalmem, type } from "node:os";
import { runtime } from "#platform/process.ts";
import { makeOps } from "../kernels/ops.ts";
import { describeVariants } from "../kernels/variants.ts";
import { formatBytes } from "../memory/memory-plan.ts";
import { closeGpu, openGpu } from "../opening/policy.ts";
import { type KernelCheck, selfTest } from "../oracle/self-test.ts";
import { fasterHere } from "../platform/faster-software.ts";
import type { SystemGpu } from "../platform/gpu.ts";
import { versions } from "../runs/versions.ts";
import type { GpuSettings } from "../settings/measuring.ts";
import { measureCeilings } from "../tuning/measure.ts";
import { matmulRate } from "../tuning/rates.ts";
import { keptLines, tuneAdapter } from "../tuning/report.ts";

/**
 * Prints what a bug report needs: the adapter, what was chosen for it, its speed, and a self-test of
 * every kernel against its oracle. The exit code is 1 if a kernel fails or the device refuses. With `--tune`
 * speed and self-test make room for the search for the fastest kernels.
 */
export async function gpuReport(settings: GpuSettings): Promise<void> {
  const gpu = await openGpu(settings.gpu, settings.kernels, settings.gpuBackend);
  for (const [name, text] of description(gpu)) console.log(`${name.padEnd(14)}${text}`);
  try {
    if (settings.tune) return await tuneAdapter(gpu, settings, (line) => console.log(line));
    await printSpeed(gpu);
    const checks = await selfTest(gpu);
    for (const line of selfTestLines(checks)) console.log(line);
    const failed = checks.filter(({ passed }) => !passed);
    if (failed.length > 0) process.exitCode = 1;
    if (failed.length > 0 && !gpu.variants.isPlain) {
      console.log("RLEXPLORE_KERNELS=plain does without variants: set it, and run this again");
    }
  } finally {
    await closeGpu(gpu);
  }
}

/** Name and text of each line on program, machine, adapter and choices. */
function description(gpu: SystemGpu): [string, string][] {
  const { found, device, variants, bindingLimit } = gpu;
  const faster = fasterHere(found);
  const { rlexplore, webgpu, platform } = versions();
  const by = found.backend === "dawn" ? `webgpu ${webgpu}` : "its own WebGPU";
  const { limits } = device;
  const { subgroupMinSize: min, subgroupMaxSize: max } = found.adapter.info;
  const features = [...device.features].filter((name) => name !== "core-features-and-limits");
  const cores = cpus();
  return [
    ["rlexplore", `${rlexplore} (${runtime.name} ${runtime.version}, ${by}, ${platform})`],
    [
      "machine",
      `${type()} ${release()}, ${cores.length} x ${cores[0]?.model.trim()}, ${formatBytes(totalmem())} memory`,
    ],
    ["adapter", found.name],
    ["driver", found.driver],
    ["kind", found.kind],
    ["chosen", found.why],
    ...(faster ? [["", faster] as [string, string]] : []),
    ["features", `${features.join(", ") || "none"}; subgroups of ${min} to ${max}`],
    [
      "limits",
      `binding ${formatBytes(bindingLimit)}, buffer ${formatBytes(limits.maxBufferSize)}, ` +
        `${limits.maxStorageBuffersPerShaderStage} storage buffers`,
    ],
    [
      "workgroups",
      `${limits.maxComputeInvocationsPerWorkgroup} invocations, ` +
        `${formatBytes(limits.maxComputeWorkgroupStorageSize)} shared`,
    ],
    ...describeVariants(variants).map((text, i): [string, string] => [i ? "" : "kernels", text]),
    ["", `because ${variants.why}`],
    ...keptLines(gpu).map((text, i): [string, string] => [i ? "" : "tuned", text]),
  ];
}

async function printSpeed(gpu: SystemGpu): Promise<void> {
  const { flops, bandwidth } = await measureCeilings(gpu);
  const size = 1024;
  const rate = await matmulRate(gpu, makeOps(gpu, 16), "forward", { T: size, K: size, N: size });
  const giga = (value: number) => (value / 1e9).toPrecision(3);
  const share = ((100 * rate) / flops).toFixed(0);
  console.log(`multiply-add  ${giga(flops)} GFLOP/s, f32, from registers`);
  console.log(`copy          ${giga(bandwidth)} GB/s, read and written`);
  console.log(`matmul        ${giga(rate)} GFLOP/s, f32, ${size}^3: ${share} % of multiply-add\n`);
}

/** A line for each kernel, and a verdict. */
export function selfTestLines(checks: readonly KernelCheck[]): string[] {
  const width = Math.max(...checks.map(({ kernel }) => kernel.length)) + 2;
  const lines = checks.map(({ kernel, error, tolerance, passed, dispatched }) => {
    const sizes = [error, tolerance].map((value) => value.toExponential(1).padEnd(9));
    const isItself = dispatched.length === 1 && dispatched[0] === kernel;
    const by = isItself || dispatched.length === 0 ? "" : `  by ${dispatched.join(", ")}`;
    return `  ${kernel.padEnd(width)}${sizes.join("")}${passed ? "ok" : "FAILED"}${by}`;
  });
  const failed = checks.filter(({ passed }) => !passed).length;
  return [
    `${"self-test".padEnd(width + 2)}error    allowed  (of the norm of a float64 oracle)`,
    ...lines,
    `${checks.length} kernels, ${failed > 0 ? `${failed} FAILED` : "all as they should be"}`,
  ];
}

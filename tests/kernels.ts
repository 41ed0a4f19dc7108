import { afterAll, beforeAll, expect, setDefaultTimeout, spyOn, test } from "bun:test";
import { makeOps } from "../beyond/kernels/ops.ts";
import type { Variants } from "../beyond/kernels/variants.ts";
import type { KernelCase } from "../beyond/oracle/cases/case.ts";
import { runCase } from "../beyond/oracle/run-case.ts";
import { SystemGpu } from "../beyond/platform/gpu.ts";
import { Pace } from "../beyond/scheduling/pace.ts";
import type { Ops } from "../lib/model/ops.ts";

const shared = globalThis as { testGpu?: Promise<SystemGpu> };

/**
 * The one device of all the tests in a process, on the adapter RLEXPLORE_GPU names. Gives the file
 * that calls it minutes for each test: software adapters share a few cores, and compile slowly.
 */
export function testGpu(): Promise<SystemGpu> {
  setDefaultTimeout(300_000); // holds for one file only
  shared.testGpu ??= SystemGpu.open();
  return shared.testGpu;
}

/**
 * Has all that opens a GPU in the file that calls it share the process's one, so that its kernels are compiled once
 * and not for each run, which is most of what a short run takes on SwiftShader. Each has memory of its own, which
 * it gives back; a GPU of other kernels, or of another name, is opened as ever.
 */
export function shareGpu(): void {
  let restore = () => {};
  beforeAll(async () => {
    await testGpu();
    const open = SystemGpu.open.bind(SystemGpu);
    const opening = spyOn(SystemGpu, "open").mockImplementation(async (request, options = {}) => {
      const { plain, backend = "dawn", ...others } = options;
      const isUsual = !request && !plain && backend === "dawn" && Object.keys(others).length === 0;
      return isUsual ? borrowGpu() : open(request, options);
    });
    restore = () => opening.mockRestore();
  });
  afterAll(() => restore());
}

/** The process's GPU, with memory of its own. */
export async function borrowGpu(): Promise<SystemGpu> {
  const buffers: GPUBuffer[] = [];
  const destroy = () => {
    for (const buffer of buffers.splice(0)) buffer.destroy();
  };
  const given = { buffers: { value: buffers }, destroy: { value: destroy } };
  return Object.create(await testGpu(), given);
}

/** Does `work` with every dispatch cut into parts of a workgroup each. */
export async function inSmallestParts<T>(work: () => Promise<T>): Promise<T> {
  const most = spyOn(Pace.prototype, "most").mockReturnValue(1);
  try {
    return await work();
  } finally {
    most.mockRestore();
  }
}

/**
 * Fails, naming the kernel and output, unless every output is as its oracle says, and errs by the same
 * where each workgroup is dispatched alone.
 */
export async function expectCase(gpu: SystemGpu, ops: Ops, kernelCase: KernelCase): Promise<void> {
  const results = await runCase(gpu, ops, kernelCase);
  const problems = results.flatMap((result) => {
    const { kernel, output, error, tolerance, norm, worst } = result;
    if (error <= tolerance) return [];
    const sizes = [error, tolerance, norm].map((value) => value.toExponential(2));
    return [`${kernel}: ${output} errs by ${sizes[0]} > ${sizes[1]}, ‖ref‖ ${sizes[2]}; ${worst}`];
  });
  expect(problems).toEqual([]);
  const inParts = await inSmallestParts(() => runCase(gpu, ops, kernelCase));
  expect(inParts).toEqual(results);
}

/** One test for each case, all of them on `ops`. */
export function testCases(name: string, gpu: SystemGpu, ops: Ops, cases: KernelCase[]): void {
  test(name, async () => {
    for (const kernelCase of cases) await expectCase(gpu, ops, kernelCase);
  });
}

const ONE_DIMENSION =
  /^(rope|attention|attention-subgroup|swiglu|gather|logprob|sample|round)\.|\.(square|update|update_rounded|update_8bit)$|rmsnorm\.(forward|backward_input)$/;

/**
 * Ops whose kernels with a one-dimensional grid run on three rows of workgroups, as a grid beyond
 * 65,535 would, however small it is.
 */
export function foldedOps(gpu: SystemGpu, headDim: number, given?: Partial<Variants>): Ops {
  const { commands, variants } = gpu;
  const dispatch: typeof commands.dispatch = (kernel, tensors, params, groups) => {
    const folds = ONE_DIMENSION.test(kernel.label.split(" ")[0]);
    const folded = folds ? ([Math.ceil(groups[0] / 3), 3] as const) : groups;
    commands.dispatch(kernel, tensors, params, folded);
  };
  const kernel: typeof commands.kernel = (...given) => commands.kernel(...given);
  return makeOps(
    { variants, commands: { kernel, dispatch } } as unknown as SystemGpu,
    headDim,
    given,
  );
}

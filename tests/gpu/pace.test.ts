import { expect, spyOn, test } from "bun:test";
import { Commands } from "../../lib/gpu/commands.ts";
import { Pace } from "../../lib/gpu/pace.ts";
import { testGpu } from "../kernels.ts";

/** A GPU on which a workgroup of each kernel takes so many seconds, and a clock that knows. */
function simulate(longest: number, truth: readonly number[]) {
  let clock = 0;
  const pace = new Pace(false, longest, () => clock);
  const costs = truth.map(() => pace.newCost());
  const submissions: number[] = [];
  let pending = 0;
  let submitted = 0;
  const submit = () => {
    if (pending === 0) return;
    submissions.push(pending);
    submitted += pending;
    pending = 0;
    pace.submitted();
  };
  return {
    submissions,
    dispatch(kernel: number, groups: number) {
      pending += truth[kernel] * groups;
      if (pace.add(costs[kernel], groups)) submit();
    },
    read() {
      submit();
      clock += submitted;
      submitted = 0;
      pace.finished();
      clock += 100; // time in which nothing is submitted is not the GPU's
    },
  };
}

test("submissions come to last as long as they may, whatever a kernel costs", () => {
  for (const seconds of [1e-7, 1e-3, 0.02]) {
    const gpu = simulate(0.25, [seconds]);
    const groups = Math.ceil(0.01 / seconds);
    for (let i = 0; i < 4; i++) {
      for (let d = 0; d < 200; d++) gpu.dispatch(0, groups);
      gpu.read();
    }
    gpu.submissions.length = 0;
    for (let d = 0; d < 200; d++) gpu.dispatch(0, groups);
    gpu.read();
    expect(Math.max(...gpu.submissions)).toBeLessThan(0.25 + 2 * groups * seconds);
    const work = 200 * groups * seconds;
    expect(gpu.submissions.length).toBeLessThanOrEqual(Math.ceil(work / 0.25) + 1);
  }
});

test("of kernels that differ a hundredfold each comes to be known", () => {
  const gpu = simulate(0.25, [1e-5, 1e-3]);
  for (let i = 0; i < 30; i++) {
    for (let d = 0; d < 50; d++) {
      gpu.dispatch(0, 1000);
      gpu.dispatch(1, 10);
    }
    gpu.read();
    for (let d = 0; d < 50; d++) gpu.dispatch(1, 10);
    gpu.read();
  }
  gpu.submissions.length = 0;
  for (let d = 0; d < 100; d++) gpu.dispatch(1, 10);
  gpu.read();
  for (let d = 0; d < 100; d++) gpu.dispatch(0, 1000);
  gpu.read();
  expect(Math.max(...gpu.submissions)).toBeLessThan(0.3);
  expect(gpu.submissions.length).toBeLessThan(14);
});

test("a dispatch longer than a submission may last goes alone", () => {
  const gpu = simulate(0.25, [1]);
  for (let d = 0; d < 5; d++) gpu.dispatch(0, 1);
  gpu.read();
  gpu.submissions.length = 0;
  for (let d = 0; d < 5; d++) gpu.dispatch(0, 1);
  gpu.read();
  expect(gpu.submissions).toEqual([1, 1, 1, 1, 1]);
});

const source = `
struct Params { factor: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@compute @workgroup_size(1) fn step() { output[0] = output[0] * params.factor + 0.3; }`;

test("where the stream is cut changes no bit", async () => {
  const gpu = await testGpu();
  const output = gpu.allocate("buffers", "output", 1);
  const submit = spyOn(gpu.device.queue, "submit");
  const run = async (longest: number) => {
    const commands = new Commands(gpu, new Pace(true, longest));
    const kernel = commands.kernel("pace", source, "step");
    gpu.upload(output, Float32Array.of(1));
    submit.mockClear();
    for (let i = 0; i < 300; i++) {
      commands.dispatch(kernel, { output }, { factor: -0.9 - i / 4096 }, [1]);
    }
    const result = new Float32Array(1);
    await commands.read([output], [result]);
    return { result: result[0], submissions: submit.mock.calls.length };
  };
  try {
    const whole = await run(1e9);
    const cut = await run(0);
    expect(cut.result).toBe(whole.result);
    expect(whole.submissions).toBe(2); // a head start for the idle GPU, and the rest
    expect(cut.submissions).toBe(301); // each dispatch, and the copy to be read
  } finally {
    submit.mockRestore();
  }
});

import { expect, spyOn, test } from "bun:test";
import { Pace, type Stretch } from "../../beyond/scheduling/pace.ts";
import { ScheduledCommands } from "../../beyond/scheduling/scheduled-commands.ts";
import { testGpu } from "../kernels.ts";

/** A GPU on which a workgroup of each kernel takes so many seconds, and a clock that knows. */
function simulate(truth: readonly number[], longest = 0.25) {
  let clock = 0;
  const pace = new Pace(false, longest, () => clock);
  const costs = truth.map(() => pace.newCost({ invocations: 64, loops: true }));
  const submissions: number[] = [];
  const ends: { seconds: number; stretch: Stretch | undefined }[] = [];
  let pending = 0;
  const submit = () => {
    if (pending === 0) return;
    submissions.push(pending);
    ends.push({ seconds: pending, stretch: pace.submitted() });
    pending = 0;
  };
  return {
    submissions,
    dispatch(kernel: number, groups: number) {
      const cost = costs[kernel];
      if (!pace.hasRoom(cost, groups)) submit();
      const most = pace.most(cost);
      for (let left = groups; left > 0; left -= most) {
        const part = Math.min(most, left);
        pace.add(cost, part);
        pending += truth[kernel] * part;
        if (groups > most) submit();
      }
    },
    read() {
      submit();
      for (const { seconds, stretch } of ends.splice(0)) {
        clock += seconds;
        if (stretch) pace.finished(stretch);
      }
      pace.finished();
      clock += 100; // time in which nothing is submitted is not the GPU's
    },
  };
}

test("submissions come to last as long as they may, whatever a kernel costs", () => {
  for (const seconds of [1e-7, 1e-3, 0.02]) {
    const gpu = simulate([seconds]);
    const groups = Math.ceil(0.01 / seconds);
    const round = () => {
      for (let d = 0; d < 200; d++) gpu.dispatch(0, groups);
      gpu.read();
    };
    for (let i = 0; i < 4; i++) round();
    gpu.submissions.length = 0;
    round();
    expect(Math.max(...gpu.submissions)).toBeLessThan(0.26);
    const work = 200 * groups * seconds;
    expect(gpu.submissions.length).toBeLessThanOrEqual(Math.ceil(work / 0.23) + 1);
  }
});

test("what takes seconds is cut from the first dispatch on, whatever the kernel costs", () => {
  for (const seconds of [1e-6, 1e-4, 2e-3]) {
    const gpu = simulate([seconds]);
    const groups = Math.ceil(10 / seconds);
    const longest: number[] = [];
    for (let i = 0; i < 3; i++) {
      gpu.dispatch(0, groups);
      gpu.read();
      longest.push(Math.max(...gpu.submissions.splice(0)));
    }
    expect(Math.max(...longest)).toBeLessThan(0.27);
    expect(longest[2]).toBeGreaterThan(0.24); // and not finer than it has to be
  }
});

test("of kernels that differ a hundredfold each comes to be known", () => {
  const gpu = simulate([1e-5, 1e-3]);
  const rounds = (count: number) => {
    for (let i = 0; i < count; i++) {
      for (let d = 0; d < 50; d++) {
        gpu.dispatch(0, 1000);
        gpu.dispatch(1, 10);
      }
      gpu.read();
      for (let d = 0; d < 50; d++) gpu.dispatch(1, 10);
      gpu.read();
    }
  };
  rounds(10);
  gpu.submissions.length = 0;
  rounds(1); // 1.5 seconds
  expect(Math.max(...gpu.submissions)).toBeLessThan(0.3);
  expect(gpu.submissions.length).toBeLessThan(10);
});

test("a kernel over other tensors, which takes longer, is soon known", () => {
  const gpu = simulate([1e-4, 5e-3]);
  for (let i = 0; i < 2; i++) {
    gpu.dispatch(0, 50_000);
    gpu.dispatch(1, 1000);
    gpu.read();
    if (i === 0) gpu.submissions.length = 0;
  }
  expect(Math.max(...gpu.submissions)).toBeLessThan(0.26);
});

test("a workgroup longer than a submission may last goes alone", () => {
  const gpu = simulate([1, 1e-3]);
  for (let i = 0; i < 2; i++) {
    gpu.submissions.length = 0;
    gpu.dispatch(1, 1);
    for (let d = 0; d < 2; d++) gpu.dispatch(0, 3);
    gpu.read();
  }
  expect(gpu.submissions).toEqual([1e-3, 1, 1, 1, 1, 1, 1]);
});

test("an end that is noticed late, and the next one in time, halve an estimate at most", () => {
  let clock = 0;
  const pace = new Pace(false, 0.25, () => clock);
  const cost = pace.newCost({ invocations: 64, loops: true });
  const before = cost.seconds;
  const submit = () => {
    pace.add(cost, 100);
    return pace.submitted();
  };
  const [first, second] = [submit(), submit()];
  clock = 2 * 100 * before; // both are done
  pace.finished(first);
  expect(cost.seconds).toBeCloseTo(2 * before);
  pace.finished(second);
  expect(cost.seconds).toBeCloseTo(before);
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
    const commands = new ScheduledCommands(gpu.device, () => gpu.check(), new Pace(true, longest));
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
    expect(cut.submissions).toBe(300); // each dispatch; the copy to be read goes with the last
  } finally {
    submit.mockRestore();
  }
});

test("a machine that slept during a submission is soon forgotten", () => {
  let clock = 0;
  const pace = new Pace(false, 0.25, () => clock);
  const cost = pace.newCost({ invocations: 64, loops: true });
  pace.add(cost, 10);
  pace.submitted();
  clock += 3600;
  pace.finished();
  expect(cost.seconds).toBeCloseTo(1);
});

import { expect, test } from "bun:test";
import { Recordings } from "../../beyond/scheduling/recording.ts";
import type { ScheduledCommands } from "../../beyond/scheduling/scheduled-commands.ts";
import { testGpu } from "../kernels.ts";

const source = `
struct Params { count: u32, factor: f32, addend: i32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;
@compute @workgroup_size(64)
fn step(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u) {
  let i = (group.x + group.y * groups.x) * 64u + local.x;
  if (i < params.count) { output[i] = output[i] * params.factor + input[i] + f32(params.addend); }
}
@compute @workgroup_size(1)
fn bare(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u) {
  if (all(group == vec3u())) { output[0] += f32(groups.x + groups.y + groups.z); }
}`;

const gpu = await testGpu();
const commands = gpu.scheduled as ScheduledCommands;
const step = commands.kernel("recording", source, "step");
const bare = commands.kernel("recording", source, "bare");
const input = gpu.allocate("buffers", "input", 3);
const output = gpu.allocate("buffers", "output", 3);

/** Depends on what was there, so that order, number and parameters of the dispatches all show. */
function work(rounds: number): void {
  for (let i = 0; i < rounds; i++) {
    const params = { count: 2, factor: -0.75 - i / 8192, addend: (i % 7) - 3 };
    commands.dispatch(step, { input, output }, params, [i === 0 ? 65_536 : 1]);
    commands.dispatch(bare, { output }, {}, [2, 1, (i % 3) + 1]);
  }
}

async function resultOf(run: () => void): Promise<number[]> {
  gpu.upload(input, Float32Array.of(0.1, -0.2, 9));
  gpu.upload(output, Float32Array.of(1, 2, 3));
  run();
  return [...(await gpu.read(output, new Float32Array(3)))];
}

for (const rounds of [3, 1400]) {
  test(`${2 * rounds} dispatches, recorded and replayed, do what they did`, async () => {
    const recordings = new Recordings(commands);
    const expected = await resultOf(() => work(rounds));
    expect(expected[2]).toBe(3);
    expect(recordings.replay(5)).toBe(false);
    expect(await resultOf(() => recordings.record(5, () => work(rounds)))).toEqual(expected);
    for (let again = 0; again < 2; again++) {
      expect(await resultOf(() => expect(recordings.replay(5)).toBe(true))).toEqual(expected);
    }
    const twice = () => [recordings.replay(5), recordings.replay(5)];
    expect(await resultOf(twice)).toEqual(await resultOf(() => [work(rounds), work(rounds)]));
  });
}

test("dispatches among those replayed keep their own parameters", async () => {
  const recordings = new Recordings(commands);
  recordings.record(0, () => work(2));
  const mixed = (again: () => void) => () => {
    work(1);
    again();
    work(3);
  };
  const expected = await resultOf(mixed(() => work(2)));
  expect(await resultOf(mixed(() => recordings.replay(0)))).toEqual(expected);
});

test("recordings are bounded in number, and forgotten when asked", () => {
  const recordings = new Recordings(commands, 20);
  for (const key of [1, 2]) recordings.record(key, () => work(5));
  expect([1, 2].map((key) => recordings.replay(key))).toEqual([true, true]);
  recordings.record(3, () => work(1));
  expect([1, 2, 3].map((key) => recordings.replay(key))).toEqual([false, false, true]);
  recordings.clear();
  expect(recordings.replay(3)).toBe(false);
});

test("what cannot be replayed cannot be recorded", () => {
  const recordings = new Recordings(commands);
  expect(() => recordings.record(1, () => commands.clear(output))).toThrow(
    "only dispatches can be recorded",
  );
  expect(recordings.replay(1)).toBe(false);
  commands.clear(output); // and the stream goes on
});

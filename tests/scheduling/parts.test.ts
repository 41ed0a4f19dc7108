import { afterAll, describe, expect, spyOn, test } from "bun:test";
import { Pace } from "../../beyond/scheduling/pace.ts";
import { evenly, inParts } from "../../beyond/scheduling/parts.ts";
import { Recordings } from "../../beyond/scheduling/recording.ts";
import { ScheduledCommands } from "../../beyond/scheduling/scheduled-commands.ts";
import { reflect } from "../../lib/gpu/wgsl.ts";
import { testGpu } from "../kernels.ts";

// Every invocation adds what it makes of its place to an element of its own; what none or two have written
// shows. `whole` is told its place by parameters, `structured` by a struct, `bare` without any `Params`.
const adds = `
@group(0) @binding(3) var<storage, read_write> seen: array<u32>;
const Y: u32 = 2u;
fn add(group: vec3u, groups: vec3u, index: u32, value: u32) {
  seen[((group.z * groups.y + group.y) * groups.x + group.x) * 6u + index] += value;
}`;
const places = `${adds}
struct Params { /* of all */ base: u32, factor: u32 }
struct Place {
  @builtin(local_invocation_index) index: u32,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(workgroup_id) group: vec3u, @builtin(global_invocation_id) id: vec3u,
}
@group(0) @binding(1) var<uniform> params: Params;
fn value(id: vec3u) -> u32 { return params.base + params.factor * (id.x + 7u * id.y + 11u * id.z); }

@compute @workgroup_size(1, Y, 3)
fn whole(
  @builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32,
) { add(group, groups, index, value(id)); }

@compute @workgroup_size(1, Y, 3)
fn structured(place: Place) { add(place.group, place.groups, place.index, value(place.id)); }`;
const bare = `${adds}
@compute @workgroup_size(1, Y, 3) // params.first_group is not declared here
fn bare(
  @builtin(num_workgroups) groups: vec3u, @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) index: u32,
) { add(group, groups, index, 1u + groups.x + 3u * groups.y + 5u * groups.z); }`;

type Grid = [x: number, y: number, z: number];
const PARAMS = { base: 5, factor: 13 };

/** What the elements hold after one dispatch of a kernel over a grid. */
function expected(entry: string, [x, y, z]: Grid) {
  const seen = new Uint32Array(6 * x * y * z).fill(1 + x + 3 * y + 5 * z);
  if (entry === "bare") return seen;
  let at = 0;
  for (let k = 0; k < z; k++) {
    for (let j = 0; j < y; j++) {
      for (let i = 0; i < x; i++) {
        for (let index = 0; index < 6; index++) {
          const id = [i, 2 * j + (index % 2), 3 * k + Math.floor(index / 2)];
          seen[at++] = PARAMS.base + PARAMS.factor * (id[0] + 7 * id[1] + 11 * id[2]);
        }
      }
    }
  }
  return seen;
}

const gpu = await testGpu();
const submit = spyOn(gpu.device.queue, "submit");
afterAll(() => submit.mockRestore());

/** Lets parts have `groups` workgroups at most, whatever was learned. */
class FixedPace extends Pace {
  groups = 1;
  constructor() {
    super(gpu.isSoftware, 1e9);
  }
  override most() {
    return this.groups;
  }
}
const pace = new FixedPace();
const commands = new ScheduledCommands(gpu.device, () => gpu.check(), pace);
const tensors = { seen: gpu.allocate("buffers", "seen", 6 * 65_538) };
function dispatch(entry: string, ...groups: [number, number?, number?]) {
  const kernel = commands.kernel("parts", entry === "bare" ? bare : places, entry);
  commands.dispatch(kernel, tensors, entry === "bare" ? {} : PARAMS, groups);
}

/** What `work` writes, in parts of at most `most` workgroups, and the submissions that it takes. */
async function resultOf(most: number, groups: number, work: () => void) {
  pace.groups = most;
  commands.clear(tensors.seen);
  commands.submit();
  submit.mockClear();
  work();
  commands.submit();
  const submissions = submit.mock.calls.length;
  const seen = new Uint32Array(6 * groups);
  await commands.read([tensors.seen], [seen]);
  return { seen, submissions };
}

describe("a grid cut into parts", () => {
  const grids: [most: number, submissions: number, ...Grid][] = [
    [1, 1, 1, 1, 1],
    [1, 7, 7, 1, 1],
    [3, 3, 7, 1, 1],
    [7, 1, 7, 1, 1],
    [5, 3, 1, 13, 1],
    [5, 3, 1, 1, 13],
    [4, 5, 1, 3, 5],
    [1, 30, 2, 3, 5],
    [7, 5, 2, 3, 5], // layers
    [5, 10, 2, 3, 5], // two rows of two, and one
    [13, 3, 2, 3, 5], // two layers, two, one
    [30, 1, 2, 3, 5],
    [3, 18, 7, 3, 2], // pieces of three, three, one
  ];
  for (const [most, submissions, ...grid] of grids) {
    test(`${grid.join(" x ")}, ${most} workgroups at most`, async () => {
      for (const entry of ["whole", "structured", "bare"]) {
        const [x, y, z] = grid;
        const result = await resultOf(most, x * y * z, () => dispatch(entry, x, y, z));
        expect(result.seen).toEqual(expected(entry, grid));
        expect(result.submissions).toBe(submissions);
      }
    });
  }

  test("one that was folded", async () => {
    const result = await resultOf(20_000, 65_538, () => dispatch("whole", 65_537));
    expect(result.submissions).toBe(4); // halves of two rows
    expect(Bun.hash(result.seen)).toBe(Bun.hash(expected("whole", [32_769, 2, 1])));
  });
});

test("parts are replayed as they were recorded, among dispatches that are not cut", async () => {
  const recordings = new Recordings(commands);
  const dispatches = [
    ["whole", 3],
    ["structured", 11],
    ["bare", 2],
    ["whole", 9],
  ] as const;
  const sum = new Uint32Array(6 * 11);
  for (const [entry, x] of dispatches) {
    for (const [i, value] of expected(entry, [x, 1, 1]).entries()) sum[i] += value;
  }
  const work = () => {
    for (const [entry, x] of dispatches) dispatch(entry, x);
  };
  // Three parts each of 11 and 9; the first of them takes along what was recorded before.
  for (const way of [work, () => recordings.record(1, work), () => recordings.replay(1)]) {
    expect(await resultOf(4, 11, way)).toEqual({ seen: sum, submissions: 6 });
  }
});

const hasTimestamps = gpu.device.features.has("timestamp-query");
test.if(hasTimestamps)("a profile counts parts, under the kernel's name", async () => {
  commands.startProfile("kernels");
  pace.groups = 2;
  dispatch("whole", 3, 3);
  const kernels = (await commands.readProfile())?.stages.get("other")?.kernels;
  expect([...(kernels ?? [])].map(([name, { calls }]) => [name, calls])).toEqual([
    ["parts.whole", 6],
  ]);
});

test("parts are as equal as they can be", () => {
  expect([1, 7, 8, 13, 65_535].map((count) => evenly(count, 6))).toEqual([1, 4, 4, 5, 6]);
  expect([0, 0.3, 1].map((most) => evenly(5, most))).toEqual([1, 1, 1]);
});

test("a shader keeps its lines, and one with a place that parts do not know is refused", () => {
  const { uniform } = reflect(places, "structured");
  expect(uniform).toBe(1);
  const code = inParts(places, "structured", uniform);
  expect(code.split("\n").length).toBe(places.split("\n").length);
  expect(reflect(bare, "bare").uniform).toBe(4);
  const unknown = bare.replace("local_invocation_index", "workgroup_index");
  expect(() => inParts(unknown, "bare", 4)).toThrow("@builtin(workgroup_index)");
});

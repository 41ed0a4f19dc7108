import { afterAll, expect, test } from "bun:test";
import { SystemGpu } from "../../beyond/platform/gpu.ts";
import {
  BETWEEN_STAGES,
  busySeconds,
  idleShare,
  profileTable,
  requestedProfile,
} from "../../beyond/scheduling/profile.ts";
import type { ScheduledCommands } from "../../beyond/scheduling/scheduled-commands.ts";

const source = `
struct Params { rounds: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@compute @workgroup_size(64)
fn short(@builtin(global_invocation_id) id: vec3u) { output[id.x] += f32(params.rounds); }
@compute @workgroup_size(64)
fn long(@builtin(global_invocation_id) id: vec3u) {
  for (var i = 0u; i < params.rounds; i++) { output[id.x] = output[id.x] * 0.5 + 1.0; }
}`;

const gpu = await SystemGpu.open();
afterAll(() => gpu.destroy());
const commands = gpu.scheduled as ScheduledCommands;
const output = gpu.allocate("buffers", "output", 64);
const run = (entry: "short" | "long", rounds: number) =>
  commands.dispatch(commands.kernel("test", source, entry), { output }, { rounds }, [1]);
const settle = () => gpu.read(output, new Float32Array(1));
await settle();

const hasTimestamps = gpu.device.features.has("timestamp-query");

test.if(hasTimestamps)("time is told by stage and kernel", async () => {
  run("long", 1);
  run("short", 1);
  await settle(); // compiles
  commands.startProfile("kernels");
  const began = performance.now();
  commands.stage = "first";
  for (let i = 0; i < 3; i++) run("short", 1);
  await settle();
  await new Promise((resolve) => setTimeout(resolve, 20));
  run("short", 1);
  await settle();
  commands.stage = "second";
  run("long", 200_000);
  const profile = await commands.readProfile();
  const seconds = (performance.now() - began) / 1000;
  expect(profile).toBeDefined();
  if (!profile) return;

  const { stages } = profile;
  const first = stages.get("first");
  const second = stages.get("second");
  expect([...stages.keys()].sort()).toEqual([BETWEEN_STAGES, "first", "second"]);
  if (!first || !second) return;
  expect([...first.kernels.keys()]).toEqual(["test.short"]);
  expect(first.kernels.get("test.short")?.calls).toBe(4);
  expect(second.kernels.get("test.long")?.calls).toBe(1);
  expect(busySeconds(second)).toBeGreaterThan(busySeconds(first));
  // the pause, and what it is a share of
  expect(first.idle.calls).toBe(1);
  expect(first.idle.seconds).toBeGreaterThan(0.019);
  expect(idleShare(first)).toBeGreaterThan(0.5);
  expect(stages.get(BETWEEN_STAGES)?.idle.calls).toBe(1);
  let all = 0;
  for (const stage of stages.values()) {
    all += busySeconds(stage) + stage.idle.seconds + stage.between.seconds;
  }
  expect(all).toBeLessThan(seconds);
  const table = profileTable(profile).join("\n");
  expect(table).toContain("GPU time, first:");
  expect(table).toMatch(/test\.short .* 4 x /);
});

test.if(hasTimestamps)(
  "passes that have no room are told, and the others still counted",
  async () => {
    commands.startProfile("kernels");
    commands.stage = "many";
    for (let i = 0; i < 2100; i++) run("short", 1);
    await settle(); // collects, which makes room
    run("short", 1);
    const profile = await commands.readProfile();
    expect(profile?.stages.get("many")?.kernels.get("test.short")?.calls).toBe(2049);
    expect(profile?.missed).toBe(52);
  },
);

test.if(hasTimestamps)("nothing is lost where read-backs overlap", async () => {
  commands.startProfile("kernels");
  commands.stage = "ahead";
  const reads: Promise<unknown>[] = [];
  for (let i = 0; i < 12; i++) {
    for (let k = 0; k < 600; k++) run("short", 1); // so many that timestamps are asked for before others came
    reads.push(settle());
    if (reads.length > 2) await reads.shift();
  }
  const profile = await commands.readProfile();
  expect(profile?.stages.get("ahead")?.kernels.get("test.short")?.calls).toBe(7200);
  expect(profile?.missed).toBe(0);
  const { idle, between } = profile?.stages.get("ahead") ?? {};
  expect((idle?.calls ?? 0) + (between?.calls ?? 0)).toBeLessThanOrEqual(7199);
});

test.if(hasTimestamps)("of passes as they are, one line", async () => {
  commands.startProfile("passes");
  commands.stage = "some";
  for (let i = 0; i < 5; i++) run("short", 1);
  await settle();
  run("long", 1);
  const profile = await commands.readProfile();
  const kernels = profile?.stages.get("some")?.kernels;
  expect([...(kernels ?? [])].map(([name, { calls }]) => [name, calls])).toEqual([["passes", 2]]);
});

test("is asked for by name, and is off by default", async () => {
  expect(requestedProfile("")).toBeUndefined();
  expect(requestedProfile("passes")).toBe("passes");
  expect(() => requestedProfile("1")).toThrow('RLEXPLORE_PROFILE is kernels or passes, not "1"');
  const own = await SystemGpu.open();
  expect(await own.scheduled?.readProfile()).toBeUndefined();
  own.destroy();
});

import { afterAll, expect, test } from "bun:test";
import { selfTestLines } from "../../beyond/commands/gpu-report.ts";
import { VERSION } from "../../beyond/runs/versions.ts";
import { Program } from "./program.ts";

const program = await Program.build("bun");
afterAll(() => program.remove());

test("rlexplore gpu tells what a bug report needs", async () => {
  const text = await program.succeed("gpu");
  const lines = text.trim().split("\n");
  expect(lines.length).toBeLessThan(120);
  expect(lines[0]).toContain(`rlexplore     ${VERSION} (bun ${Bun.version}, webgpu `);
  for (const name of [
    "machine",
    "adapter",
    "driver",
    "kind",
    "chosen",
    "limits",
    "kernels",
    "tuned",
  ]) {
    expect(text).toMatch(new RegExp(`^${name} +\\S`, "m"));
  }
  for (const [name, unit] of Object.entries({
    "multiply-add": "GFLOP/s",
    copy: "GB/s",
    matmul: "GFLOP/s",
  })) {
    expect(Number(new RegExp(`^${name} +(\\S+) ${unit}`, "m").exec(text)?.[1])).toBeGreaterThan(0);
  }
  expect(text).toMatch(
    /^ {2}attention\.backward_key +\S+ +\S+ +ok {2}by attention\.backward_delta, /m,
  );
  expect(lines.at(-1)).toMatch(/^\d+ kernels, all as they should be$/);
});

test("a kernel that fails stands out, NaN too", () => {
  const good = { kernel: "a.b", error: 1e-7, tolerance: 1e-5, passed: true, dispatched: ["a.b"] };
  const bad = {
    kernel: "long.name",
    error: Number.NaN,
    tolerance: 1e-5,
    passed: false,
    dispatched: ["long-4x8.name"],
  };
  expect(selfTestLines([good, bad]).slice(1)).toEqual([
    "  a.b        1.0e-7   1.0e-5   ok",
    "  long.name  NaN      1.0e-5   FAILED  by long-4x8.name",
    "2 kernels, 1 FAILED",
  ]);
});

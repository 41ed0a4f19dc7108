import { expect, spyOn, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { train } from "../beyond/commands/train.ts";
import { OpenPolicy } from "../beyond/opening/policy.ts";
import { SystemGpu } from "../beyond/platform/gpu.ts";
import { RunFolder } from "../beyond/runs/folder.ts";
import { trainSettings } from "../beyond/settings/arguments.ts";

const CREATED =
  /^create(Buffer|BindGroup|BindGroupLayout|ComputePipeline|PipelineLayout|QuerySet|ShaderModule|Texture)$/;

/** Runs `train` and gives the GPU objects created before and in each step, by kind. */
async function objectsByStep(args: string[]): Promise<string[][]> {
  const created: string[][] = [[]];
  const { open } = OpenPolicy;
  const { appendMetrics } = RunFolder.prototype;
  OpenPolicy.open = async (gpu, ...rest) => {
    const device = gpu.device as unknown as Record<string, (...given: unknown[]) => unknown>;
    for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(device))) {
      if (!CREATED.test(name)) continue;
      const create = device[name];
      device[name] = function (this: unknown, ...given) {
        created[created.length - 1].push(name);
        return create.apply(this, given);
      };
    }
    return open.call(OpenPolicy, gpu, ...rest);
  };
  RunFolder.prototype.appendMetrics = function (...given) {
    created.push([]);
    return appendMetrics.apply(this, given);
  };
  const folder = mkdtempSync(join(tmpdir(), "rlexplore-steady-"));
  try {
    const output = ["--output-dir", join(folder, "run"), "--quiet"];
    await train(trainSettings([...args, ...output], () => ({})));
  } finally {
    OpenPolicy.open = open;
    RunFolder.prototype.appendMetrics = appendMetrics;
    rmSync(folder, { recursive: true });
  }
  return created;
}

test.each([
  ["as it is", false],
  ["with plain commands and sampler", true],
])("after two steps, training %s creates no GPU objects", async (_, plain) => {
  const { open } = SystemGpu;
  const opened = spyOn(SystemGpu, "open").mockImplementation((request, options) =>
    open.call(SystemGpu, request, { ...options, plain }),
  );
  const data = join(import.meta.dir, "..", "examples", "arithmetic.jsonl");
  const size = { "max-steps": 6, "prompts-per-step": 4, "num-generations": 4 };
  const settings = { ...size, "sampling-batch-size": 6, beta: 0.1, "learning-rate": 1e-3 };
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  const created = await objectsByStep([data, ...flags]);
  opened.mockRestore();
  expect(created[0].filter((name) => name === "createBuffer").length).toBeGreaterThan(50);
  expect(created[0]).toContain("createComputePipeline");
  expect(created[0]).toContain("createBindGroup");
  expect(created.slice(2, 6)).toEqual([[], [], [], []]);
});

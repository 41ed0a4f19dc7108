import { afterAll, afterEach, describe, expect, spyOn, test } from "bun:test";
import { SystemGpu } from "../../beyond/platform/gpu.ts";
import { GpuError } from "../../lib/errors.ts";
import { MemoryPlanner, view } from "../../lib/gpu/memory.ts";
import { testGpu } from "../kernels.ts";

const source = `
struct Params { count: u32, addend: f32, step: i32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;
@group(0) @binding(5) var<storage, read_write> groups_seen: array<u32>;

@compute @workgroup_size(64)
fn add(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < params.count) { output[id.x] += input[id.x] + params.addend * f32(params.step); }
}

@compute @workgroup_size(1)
fn measure(@builtin(num_workgroups) groups: vec3u) {
  groups_seen[0] = groups.x;
  groups_seen[1] = groups.y;
  groups_seen[2] = groups.z;
}`;

const devices = {
  plain: await SystemGpu.open(undefined, { plain: true }),
  scheduled: await testGpu(),
};
afterAll(() => devices.plain.destroy());

describe.each(["plain", "scheduled"] as const)("%s:", (stream) => {
  const gpu = devices[stream];
  const add = gpu.commands.kernel("test", source, "add");
  const floats = (length: number, on: SystemGpu = gpu) => on.allocate("buffers", "floats", length);
  const read = (tensor: ReturnType<typeof floats>) =>
    gpu.read(tensor, new Float32Array(tensor.length));

  describe("dispatches", () => {
    test("parameters of all types arrive, whatever the order they are given in", async () => {
      const [input, output] = [floats(3), floats(3)];
      gpu.upload(input, Float32Array.of(1, 2, 3));
      gpu.upload(output, Float32Array.of(10, 10, 10));
      gpu.commands.dispatch(add, { output, input }, { step: -2, addend: 0.25, count: 2 }, [1]);
      expect([...(await read(output))]).toEqual([10.5, 11.5, 10]);
    });

    test("more of them than one submission holds parameters for", async () => {
      const [input, output] = [floats(1), floats(1)];
      gpu.upload(input, Float32Array.of(0));
      gpu.upload(output, Float32Array.of(0));
      const count = 2500;
      for (let i = 1; i <= count; i++) {
        gpu.commands.dispatch(add, { input, output }, { count: 1, addend: i, step: 1 }, [1]);
      }
      expect(await read(output)).toEqual(Float32Array.of((count * (count + 1)) / 2));
    });

    test("run in order, copies, clears and uploads among them", async () => {
      const [input, output] = [floats(4), floats(4)];
      const params = { count: 4, addend: 1, step: 1 };
      gpu.upload(input, Float32Array.of(1, 2, 3, 4));
      gpu.commands.clear(output);
      gpu.commands.dispatch(add, { input, output }, params, [1]); // 2 3 4 5
      gpu.commands.copy(output, input, 2, 1, 2); // input = 1 2 3 4
      gpu.upload(output, Float32Array.of(100));
      gpu.commands.dispatch(add, { input, output }, params, [1]);
      expect([...(await read(output))]).toEqual([102, 6, 8, 10]);
      gpu.commands.copy(output, input, 2, 1, 2); // input = 1 2 6 8
      expect([...(await read(input))]).toEqual([1, 2, 6, 8]);
    });

    test("a grid beyond 65,535 is folded, an empty one is skipped", async () => {
      const measure = gpu.commands.kernel("test", source, "measure");
      const groups_seen = gpu.allocate("buffers", "groups", 3);
      const seen = async (...groups: [number, number?, number?]) => {
        gpu.upload(groups_seen, new Uint32Array(3));
        gpu.commands.dispatch(measure, { groups_seen }, {}, groups);
        return [...(await gpu.read(groups_seen, new Uint32Array(3)))];
      };
      expect(await seen(65_535)).toEqual([65_535, 1, 1]);
      expect(await seen(65_536)).toEqual([32_768, 2, 1]);
      expect(await seen(2, 3, 4)).toEqual([2, 3, 4]);
      expect(await seen(0)).toEqual([0, 0, 0]);
      expect(() => gpu.commands.dispatch(measure, { groups_seen }, {}, [65_536, 2])).toThrow(
        "test.measure: 65536 x 2 workgroups",
      );
    });

    test("work on a view of a tensor, at the device's alignment", async () => {
      const [input, whole] = [floats(2), floats(200)];
      gpu.upload(input, Float32Array.of(5, 6));
      gpu.upload(whole, new Float32Array(200).fill(1));
      const start = gpu.alignment / 4;
      const output = view(whole, "part", start, 2);
      gpu.commands.dispatch(add, { input, output }, { count: 200, addend: 0, step: 0 }, [4]);
      expect([...(await read(output))]).toEqual([6, 7]);
      // Bound in whole vectors of four, and nothing before or after them.
      const all = await read(whole);
      expect(all[start - 1]).toBe(1);
      expect(all[start + 4]).toBe(1);
      expect(() => view(whole, "outside", 199, 2)).toThrow("view outside exceeds floats");
    });
  });

  describe("reading", () => {
    test("several tensors at once, of any size, the first elements of each", async () => {
      const sizes = [1, 5, 3000, 2];
      const tensors = sizes.map((size) => floats(size));
      tensors.forEach((tensor, i) => {
        gpu.upload(tensor, new Float32Array(sizes[i]).fill(i + 1));
      });
      const into = [1, 5, 2999, 1].map((size) => new Float32Array(size));
      await gpu.commands.read(tensors, into);
      into.forEach((array, i) => {
        expect(array.every((value) => value === i + 1)).toBe(true);
      });
    });

    test("of what was there when it was asked for, in order, while more is under way", async () => {
      const [input, output] = [floats(1), floats(1)];
      gpu.upload(input, Float32Array.of(0));
      gpu.upload(output, Float32Array.of(0));
      const created = spyOn(gpu.device, "createBuffer");
      const order: number[] = [];
      const step = async (i: number) => {
        gpu.commands.dispatch(add, { input, output }, { count: 1, addend: i, step: 1 }, [1]);
        const [value] = await gpu.read(output, new Float32Array(1));
        order.push(i);
        return value;
      };
      for (let round = 0; round < 3; round++) {
        gpu.upload(output, Float32Array.of(0));
        const values = await Promise.all([1, 2, 3, 4].map(step));
        expect(values).toEqual([1, 3, 6, 10]);
      }
      expect(order).toEqual([1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4]);
      // Buffers that they came in serve the next ones.
      expect(created.mock.calls.length).toBeLessThanOrEqual(4);
      created.mockRestore();
    });

    test("uploads part of an array, and no more than the tensor holds", async () => {
      const tensor = floats(3);
      gpu.upload(tensor, Float32Array.of(1, 2, 3, 4, 5), 2, 3);
      expect([...(await read(tensor))]).toEqual([3, 4, 5]);
      expect(() => gpu.upload(tensor, new Float32Array(4))).toThrow("upload overruns floats");
    });
  });

  describe("what the device refuses is a GpuError naming the operation", () => {
    const opened: SystemGpu[] = [];
    afterEach(() => {
      for (const each of opened.splice(0)) each.destroy();
    });
    const params = { count: 1, addend: 0, step: 0 };
    /** The message with which `work` fails on a device of its own: a failed device stays failed. */
    async function messageOf(work: (gpu: SystemGpu) => unknown): Promise<string> {
      const own = await SystemGpu.open(undefined, { plain: stream === "plain" });
      opened.push(own);
      const error = await (async () => {
        await work(own);
        await own.read(floats(1, own), new Float32Array(1));
      })().catch((reason) => reason);
      expect(error).toBeInstanceOf(GpuError);
      expect(error.message).not.toContain("\n");
      return error.message;
    }

    test("one buffer read and written", async () => {
      const message = await messageOf((own) => {
        const kernel = own.commands.kernel("test", source, "add");
        const whole = own.allocate("weights", "both", 1000);
        const part = view(whole, "part", own.alignment / 4, 4);
        own.commands.dispatch(kernel, { input: whole, output: part }, params, [1]);
      });
      expect(message).toBe(
        'test.add reads and writes one buffer: "input" and "output" are in weights: both',
      );
    });

    test("a shader that does not compile", async () => {
      const message = await messageOf((own) => {
        const broken = source.replace("f32(params.step)", "params.step");
        const kernel = own.commands.kernel("broken", broken, "add");
        own.commands.dispatch(
          kernel,
          { input: floats(1, own), output: floats(1, own) },
          params,
          [1],
        );
      });
      expect(message).toStartWith("the GPU refused broken.add: Error while parsing WGSL: :10:");
    });

    test("a binding out of alignment", async () => {
      const message = await messageOf((own) => {
        const kernel = own.commands.kernel("test", source, "add");
        const input = view(floats(8, own), "odd", 1, 4);
        own.commands.dispatch(kernel, { input, output: floats(1, own) }, params, [1]);
      });
      expect(message).toStartWith("the GPU refused test.add: Offset (4) of");
    });

    const { maxBufferSize, maxStorageBufferBindingSize: limit } = gpu.device.limits;
    test.if(maxBufferSize > limit + 1024)("a binding beyond the adapter's limit", async () => {
      const message = await messageOf((own) => {
        const kernel = own.commands.kernel("test", source, "add");
        const input = own.allocate("weights", "large", limit / 4 + 64);
        own.commands.dispatch(kernel, { input, output: floats(1, own) }, params, [1]);
      });
      expect(message).toStartWith("the GPU refused test.add: ");
      expect(message).toContain(`${limit}`);
    });

    test("a buffer beyond the adapter's limit, before it is made", async () => {
      const message = await messageOf((own) => own.allocate("weights", "all", own.bufferLimit));
      expect(message).toStartWith("weights: all needs ");
    });

    test("a device that is gone", async () => {
      expect(await messageOf((own) => own.device.destroy())).toStartWith("the GPU was lost: ");
    });

    test("a device that is gone while several read-backs are under way", async () => {
      const own = await SystemGpu.open(undefined, { plain: stream === "plain" });
      opened.push(own);
      const reads = [1, 2, 3].map((n) => own.read(floats(n, own), new Float32Array(n)));
      own.device.destroy();
      const errors = await Promise.all(reads.map((read) => read.catch((reason) => reason)));
      for (const error of errors) expect(error).toBeInstanceOf(GpuError);
    });

    test("what the caller forgot is a plain error", () => {
      const [input, output] = [floats(1), floats(1)];
      const dispatch = gpu.commands.dispatch.bind(gpu.commands);
      expect(() => dispatch(add, { input }, params, [1])).toThrow(
        'test.add needs the tensor "output"',
      );
      expect(() => dispatch(add, { input, output }, { count: 1 }, [1])).toThrow(
        'test.add needs the parameter "addend"',
      );
    });
  });
});

test("the memory planner adds up what the device would allocate", async () => {
  const own = await SystemGpu.open();
  const planner = new MemoryPlanner(own.bindingLimit, own.bufferLimit, own.alignment);
  for (const alloc of [own, planner]) {
    alloc.allocate("weights", "a", 1024);
    alloc.allocate("KV cache", "b", 4096);
    alloc.allocate("weights", "c", 8);
  }
  expect(planner.total).toBe(own.allocatedBytes);
  expect(planner.bytes.get("weights")).toBe(4 * 1032);
  own.destroy();
});

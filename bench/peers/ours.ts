import type { SystemGpu } from "../../beyond/platform/gpu.ts";
import { type Dtype, elementBytes } from "../../beyond/storage/precision.ts";
import { packValues, unpackValues } from "../../beyond/storage/weight-formats.ts";
import type { Tensor } from "../../lib/gpu/memory.ts";
import type { Contestant, Named } from "./contest.ts";

/** rlexplore's way to do a task, its inputs on the GPU. */
export interface OurTask {
  /** Records the task once. */
  record(): void;
  /** Outputs and gradients. One of them that the task writes last comes last. */
  outputs: Named<Tensor>;
  /** Those of them that the task adds to. */
  sums?: readonly Tensor[];
}

/** `gpu` is the contestant's own, and closed with it. */
export function ourContestant(gpu: SystemGpu, { record, outputs, sums = [] }: OurTask): Contestant {
  const [last] = Object.values(outputs).slice(-1);
  return {
    async run(times) {
      const start = performance.now();
      for (let i = 0; i < times; i++) record();
      await gpu.read(last, new Float32Array(1));
      return (performance.now() - start) / 1000;
    },
    async results() {
      for (const sum of sums) gpu.commands.clear(sum);
      record();
      const results: Named<Float32Array> = {};
      for (const [name, tensor] of Object.entries(outputs)) {
        results[name] = await download(gpu, tensor);
      }
      return results;
    },
    close: () => gpu.destroy(),
  };
}

export function make(gpu: SystemGpu, name: string, length: number, dtype: Dtype = "f32"): Tensor {
  return gpu.allocate("buffers", name, length, elementBytes(dtype));
}

/** A tensor of these values, rounded to `dtype`. */
export function upload(
  gpu: SystemGpu,
  name: string,
  values: Float32Array,
  dtype: Dtype = "f32",
): Tensor {
  const tensor = make(gpu, name, values.length, dtype);
  gpu.upload(tensor, packValues(values, dtype, values.length));
  return tensor;
}

async function download(gpu: SystemGpu, { length, ...tensor }: Tensor): Promise<Float32Array> {
  const dtype = tensor.elementBytes === 2 ? "f16" : "f32";
  const words = new Uint32Array((length * tensor.elementBytes) / 4);
  await gpu.read({ ...tensor, length: words.length }, words);
  return unpackValues(words, dtype, length);
}

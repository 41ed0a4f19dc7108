import type { DType, Array as JaxArray } from "@jax-js/jax";
import { napping } from "../../beyond/platform/node/napping.ts";
import type { FoundAdapter } from "../../beyond/platform/runtime.ts";
import type { Dtype } from "../../beyond/storage/precision.ts";
import type { Contestant, Named, Task } from "./contest.ts";

export type Jax = typeof import("@jax-js/jax");

/** What a task computes in jax-js. It owns its arguments, as all of jax-js: `x.ref` uses x once more. */
export type JaxFunction = (jax: Jax, inputs: Named<JaxArray>) => Named<JaxArray>;

/**
 * jax-js (https://jax-js.com), an array library with automatic differentiation whose jit fuses
 * operations into generated WGSL. It takes its adapter from `navigator.gpu`, which is Dawn here: the
 * same one as ours, with the same bounds checks. Null where the package is not installed.
 */
export async function openJax({ gpu }: FoundAdapter): Promise<Jax | null> {
  Object.defineProperty(navigator, "gpu", { value: gpu, configurable: true });
  let jax: Jax;
  try {
    jax = await import("@jax-js/jax");
  } catch {
    return null;
  }
  const devices = await jax.init("webgpu");
  if (!devices.includes("webgpu")) return null;
  jax.defaultDevice("webgpu");
  return jax;
}

/** One jit of the whole task, its inputs on the GPU before, its results left there. */
export function jaxContestant(jax: Jax, task: Task, compute: JaxFunction): Contestant {
  const { numpy: np, tree } = jax;
  const dtypes: Record<Dtype, DType> = { f32: np.float32, f16: np.float16 };
  const inputs = Object.fromEntries(
    Object.entries(task.inputs).map(([name, { shape, data }]) => [
      name,
      np.array(data.slice(), { shape: [...shape] }).astype(dtypes[task.dtype]),
    ]),
  );
  const program = jax.jit((arrays: Named<JaxArray>) => compute(jax, arrays));
  return {
    // A call is only dispatched when it is waited for, and holds its buffers until it is let go: so one
    // is waited for while the next one is under way, and the GPU never idles.
    async run(times) {
      const start = performance.now();
      let last = { outputs: {} as Named<JaxArray>, ready: Promise.resolve({}) };
      for (let i = 0; i < times; i++) {
        const outputs = program(tree.ref(inputs));
        const ready = jax.blockUntilReady(outputs);
        await napping(last.ready);
        tree.dispose(last.outputs);
        last = { outputs, ready };
      }
      await napping(last.ready);
      await napping(jax.getWebGPUDevice().queue.onSubmittedWorkDone());
      const seconds = (performance.now() - start) / 1000;
      tree.dispose(last.outputs);
      return seconds;
    },
    async results() {
      const results: Named<Float32Array> = {};
      for (const [name, array] of Object.entries(program(tree.ref(inputs)))) {
        results[name] = (await napping(array.astype(np.float32).data())) as Float32Array;
      }
      return results;
    },
    close() {
      program.dispose();
      tree.dispose(inputs);
    },
  };
}

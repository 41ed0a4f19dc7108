import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { findPython, PythonPeer } from "../python.ts";
import type { Contestant, Named, Task } from "./contest.ts";

/**
 * PyTorch in a process of its own: on the GPU where the adapter is one, else on as many threads as the
 * software adapter has. Eager, as it is without a C++ compiler.
 */
export class Torch {
  private constructor(
    private readonly peer: PythonPeer,
    /** Version and device. */
    readonly about: string,
  ) {}

  /** Null where no Python with PyTorch is to be found. */
  static async open(isSoftware: boolean): Promise<Torch | null> {
    const python = await findPython("torch", "numpy");
    if (!python) return null;
    const device = isSoftware ? "cpu" : "gpu";
    const peer = new PythonPeer(python, "peers/torch_peer.py", [
      device,
      `${availableParallelism()}`,
    ]);
    const about = await peer.ask<{ version: string; device: string }>({ about: {} });
    return new Torch(peer, `PyTorch ${about.version}, ${about.device}`);
  }

  /** Makes ready to do a task; one at a time. Values go through files. */
  async contestant({ inputs, dtype, torch }: Task): Promise<Contestant> {
    const folder = mkdtempSync(join(tmpdir(), "rlexplore-torch-"));
    const files: Named<{ file: string; shape: readonly number[] }> = {};
    for (const [name, { shape, data }] of Object.entries(inputs)) {
      files[name] = { file: join(folder, `input-${name}`), shape };
      await Bun.write(files[name].file, data);
    }
    await this.peer.ask({ open: { ...torch, dtype, inputs: files } });
    return {
      run: async (times) => (await this.peer.ask<{ seconds: number }>({ run: times })).seconds,
      results: async () => {
        const { outputs } = await this.peer.ask<{ outputs: string[] }>({ results: folder });
        const results: Named<Float32Array> = {};
        for (const name of outputs) {
          results[name] = new Float32Array(await Bun.file(join(folder, name)).arrayBuffer());
        }
        return results;
      },
      close: () => rmSync(folder, { recursive: true, force: true }),
    };
  }

  close(): Promise<void> {
    return this.peer.close();
  }
}

import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "#platform/hash.ts";
import { direct3DCompilers, loadDawn, openLibrary } from "#platform/native.ts";
import { missingPermission } from "#platform/process.ts";
import { UserError } from "../../lib/errors.ts";
import { unpackOnce } from "./cache.ts";

/** The native module of the npm package `webgpu`: Dawn, the WebGPU implementation of Chromium. */
interface Dawn {
  create(flags: string[]): GPU;
  globals: Record<string, unknown>;
}

let dawn: Dawn | undefined;

/**
 * Every instance that `create` returned. JavaScriptCore collects one after its last use in the
 * source, the native instance dies under its devices, and the process crashes: so none is let go.
 */
const instances: GPU[] = [];

/**
 * A new Dawn instance (the object a browser calls `navigator.gpu`).
 * @param flags Dawn's own, such as `adapter=<substring of a name>` and `backend=<name>`
 * @throws UserError when Dawn cannot be loaded here
 */
export async function createInstance(flags: string[]): Promise<GPU> {
  if (!dawn) {
    await loadDirect3DCompilers();
    dawn = load();
    Object.assign(globalThis, dawn.globals);
  }
  const toggles = [
    // Timestamps are otherwise rounded to 65 microseconds, several times a small kernel's duration.
    "disable-dawn-features=timestamp_quantization",
    // Shows the experimental features of an adapter: subgroup matrices.
    "enable-dawn-features=allow_unsafe_apis",
  ];
  const gpu = dawn.create([...toggles, ...flags]);
  instances.push(gpu);
  return gpu;
}

function load(): Dawn {
  let module: unknown;
  try {
    module = loadDawn();
  } catch (error) {
    if (missingPermission(error)) throw error;
    throw new UserError(explainLoadError(error instanceof Error ? error.message : String(error)));
  }
  if (module) return module as Dawn;
  throw new UserError(
    `rlexplore has no GPU library for ${process.platform} ${process.arch}; ` +
      "it runs on Linux (x64, arm64), macOS (arm64, x64) and Windows (x64)",
  );
}

/** One line for the user from what the dynamic linker said about `dawn.node`. */
export function explainLoadError(message: string): string {
  if (/GLIBC|GLIBCXX|CXXABI|ld-linux|libstdc\+\+/.test(message)) {
    return (
      "this system's C or C++ library is too old for the GPU library: glibc 2.34 and libstdc++ of " +
      "GCC 12 (GLIBCXX 3.4.30) or newer are needed, as in Ubuntu 22.04, Debian 12 or RHEL 9 with " +
      `gcc-toolset (${message.split("\n")[0]})`
    );
  }
  // Bun unpacks it into the temporary folder, and names its own where that cannot be written
  if (/failed to map segment|\/\$bunfs\//.test(message)) {
    return (
      `the GPU library cannot be loaded from ${tmpdir()}, which is read-only, full or does not allow programs ` +
      `(noexec); name another folder: TMPDIR=$HOME rlexplore ... (${message.split("\n")[0]})`
    );
  }
  return `the GPU library could not be loaded: ${message.split("\n")[0]}`;
}

/**
 * Direct3D's shader compilers, which Dawn looks up by name: loaded beforehand, they are found
 * although the executable has no folder to put them in.
 */
async function loadDirect3DCompilers(): Promise<void> {
  const libraries = await direct3DCompilers();
  if (libraries.length === 0) return;
  const hash = sha256();
  for (const { content } of libraries) hash.update(await content.bytes());
  await unpackOnce(
    `direct3d-${hash.digest().slice(0, 16)}`,
    async (folder) => {
      for (const { name, content } of libraries) {
        await writeFile(join(folder, name), await content.bytes());
      }
    },
    (folder) => {
      for (const { name } of libraries) openLibrary(join(folder, name), {});
    },
  );
}

import { dlopen } from "bun:ffi";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
    dawn = loadDawn();
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

// The paths are literal and the conditions constant for a target, so that `bun build --compile`
// embeds exactly the one module which that target can load.
function loadDawn(): Dawn {
  try {
    if (process.platform === "linux" && process.arch === "x64") {
      return require("../../node_modules/webgpu/dist/linux-x64/dawn.node");
    }
    if (process.platform === "linux" && process.arch === "arm64") {
      return require("../../node_modules/webgpu/dist/linux-arm64/dawn.node");
    }
    if (process.platform === "darwin") {
      return require("../../node_modules/webgpu/dist/darwin-universal/dawn.node");
    }
    if (process.platform === "win32" && process.arch === "x64") {
      return require("../../node_modules/webgpu/dist/win32-x64/dawn.node");
    }
  } catch (error) {
    throw new UserError(explainLoadError(error instanceof Error ? error.message : String(error)));
  }
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
  if (process.platform === "win32" && process.arch === "x64") {
    const [dxc, fxc] = await Promise.all([
      import("../../node_modules/webgpu/dist/win32-x64/dxcompiler.dll", { with: { type: "file" } }),
      import("../../node_modules/webgpu/dist/win32-x64/d3dcompiler_47.dll", {
        with: { type: "file" },
      }),
    ]);
    const libraries = [
      { name: "dxcompiler.dll", content: await Bun.file(dxc.default).bytes() },
      { name: "d3dcompiler_47.dll", content: await Bun.file(fxc.default).bytes() },
    ];
    const version = libraries.map(({ content }) => Bun.hash(content).toString(16)).join("-");
    await unpackOnce(
      `direct3d-${version}`,
      async (folder) => {
        for (const { name, content } of libraries) await Bun.write(join(folder, name), content);
      },
      (folder) => {
        for (const { name } of libraries) dlopen(join(folder, name), {});
      },
    );
  }
}

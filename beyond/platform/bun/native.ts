import { dlopen } from "bun:ffi";
import type { NativeFunction, NativeLibrary } from "../runtime.ts";

// The paths are literal and the conditions constant for a target, so that `bun build --compile`
// embeds exactly the one module which that target can load.
export function loadDawn(): unknown {
  if (process.platform === "linux" && process.arch === "x64") {
    return require("../../../node_modules/webgpu/dist/linux-x64/dawn.node");
  }
  if (process.platform === "linux" && process.arch === "arm64") {
    return require("../../../node_modules/webgpu/dist/linux-arm64/dawn.node");
  }
  if (process.platform === "darwin") {
    return require("../../../node_modules/webgpu/dist/darwin-universal/dawn.node");
  }
  if (process.platform === "win32" && process.arch === "x64") {
    return require("../../../node_modules/webgpu/dist/win32-x64/dawn.node");
  }
  return null;
}

export const openLibrary = <Name extends string>(
  path: string,
  functions: Record<Name, NativeFunction>,
) => dlopen(path, functions).symbols as unknown as NativeLibrary<Name>;

export async function swiftShaderArchive(): Promise<Blob | null> {
  if (process.platform === "linux" && process.arch === "x64") {
    const { default: path } = await import(
      "../../../node_modules/@sparticuz/chromium/bin/swiftshader.tar.br",
      { with: { type: "file" } }
    );
    return Bun.file(path);
  }
  return null;
}

export async function direct3DCompilers(): Promise<{ name: string; content: Blob }[]> {
  if (process.platform === "win32" && process.arch === "x64") {
    const [dxc, fxc] = await Promise.all([
      import("../../../node_modules/webgpu/dist/win32-x64/dxcompiler.dll", {
        with: { type: "file" },
      }),
      import("../../../node_modules/webgpu/dist/win32-x64/d3dcompiler_47.dll", {
        with: { type: "file" },
      }),
    ]);
    return [
      { name: "dxcompiler.dll", content: Bun.file(dxc.default) },
      { name: "d3dcompiler_47.dll", content: Bun.file(fxc.default) },
    ];
  }
  return [];
}

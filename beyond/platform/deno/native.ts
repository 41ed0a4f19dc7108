import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { NativeFunction, NativeLibrary } from "../runtime.ts";
import { fileBlob } from "./files.ts";

const packages = new URL("../../../node_modules/", import.meta.url);
const packaged = (path: string) => fileURLToPath(new URL(path, packages));

const system = `${process.platform}-${process.arch}`;

/** Folders of the package `webgpu`, by system. */
const DAWN: Record<string, string> = {
  "linux-x64": "linux-x64",
  "linux-arm64": "linux-arm64",
  "darwin-x64": "darwin-universal",
  "darwin-arm64": "darwin-universal",
  "win32-x64": "win32-x64",
};

export function loadDawn(): unknown {
  const folder = DAWN[system];
  return folder
    ? createRequire(import.meta.url)(packaged(`webgpu/dist/${folder}/dawn.node`))
    : null;
}

/** What Deno calls the types of C. */
const TYPES = { ptr: "pointer", cstring: "buffer", int: "i32", void: "void" } as const;

export function openLibrary<Name extends string>(
  path: string,
  functions: Record<Name, NativeFunction>,
): NativeLibrary<Name> {
  const declared = Object.entries<NativeFunction>(functions).map(([name, { args, returns }]) => [
    name,
    { parameters: args.map((type) => TYPES[type]), result: TYPES[returns] },
  ]);
  return Deno.dlopen(path, Object.fromEntries(declared)).symbols as NativeLibrary<Name>;
}

export async function swiftShaderArchive(): Promise<Blob | null> {
  if (system !== "linux-x64") return null;
  return fileBlob(packaged("@sparticuz/chromium/bin/swiftshader.tar.br"));
}

export async function direct3DCompilers(): Promise<{ name: string; content: Blob }[]> {
  if (system !== "win32-x64") return [];
  return ["dxcompiler.dll", "d3dcompiler_47.dll"].map((name) => ({
    name,
    content: fileBlob(packaged(`webgpu/dist/win32-x64/${name}`)),
  }));
}

import { dlopen } from "bun:ffi";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { unpackOnce } from "./cache.ts";

/**
 * SwiftShader (a Vulkan driver that runs on the CPU) and a Vulkan loader, unpacked from the
 * executable. The archive is the one that the npm package `@sparticuz/chromium` carries.
 */
export interface SwiftShader {
  /** The file that tells a Vulkan loader where the driver is: the value of `VK_DRIVER_FILES`. */
  driverFile: string;
  /** Path of `libvulkan.so.1`, the Vulkan loader, for machines that have none. */
  loader: string;
}

let unpacked: Promise<SwiftShader | null> | undefined;

/** The embedded driver, unpacked on first use, or null where none is embedded or none can load. */
export function embeddedSwiftShader(): Promise<SwiftShader | null> {
  unpacked ??= unpack();
  return unpacked;
}

async function unpack(): Promise<SwiftShader | null> {
  if (process.platform === "linux" && process.arch === "x64") {
    const { default: path } = await import(
      "../../node_modules/@sparticuz/chromium/bin/swiftshader.tar.br",
      { with: { type: "file" } }
    );
    const archive = await Bun.file(path).bytes();
    const folder = await unpackOnce(
      `swiftshader-${Bun.hash(archive).toString(16)}`,
      (aside) =>
        new Bun.Archive(brotliDecompressSync(archive)).extract(aside, {
          glob: ["libvk_swiftshader.so", "libvulkan.so.1", "vk_swiftshader_icd.json"],
        }),
      (unpacked) => {
        dlopen(join(unpacked, "libvk_swiftshader.so"), {
          vk_icdGetInstanceProcAddr: { args: ["ptr", "cstring"], returns: "ptr" },
        });
      },
    );
    if (folder) {
      return {
        driverFile: join(folder, "vk_swiftshader_icd.json"),
        loader: join(folder, "libvulkan.so.1"),
      };
    }
  }
  return null;
}

/**
 * Makes sure that a Vulkan loader is in the process before Dawn looks for one by its name:
 * the system's, or else the embedded one, which finds the system's GPU drivers as well.
 */
export async function ensureVulkanLoader(): Promise<void> {
  if (process.platform !== "linux") return;
  for (const path of ["libvulkan.so.1", (await embeddedSwiftShader())?.loader]) {
    try {
      if (path) dlopen(path, { vkCreateInstance: { args: ["ptr"], returns: "int" } });
      return;
    } catch {}
  }
}

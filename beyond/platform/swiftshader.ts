import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { sha256 } from "#platform/hash.ts";
import { openLibrary, swiftShaderArchive } from "#platform/native.ts";
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

const FILES = ["libvk_swiftshader.so", "libvulkan.so.1", "vk_swiftshader_icd.json"];

async function unpack(): Promise<SwiftShader | null> {
  const archive = await (await swiftShaderArchive())?.bytes();
  if (!archive) return null;
  const folder = await unpackOnce(
    `swiftshader-${sha256().update(archive).digest().slice(0, 16)}`,
    async (aside) => {
      for (const { name, content } of filesOfTar(brotliDecompressSync(archive))) {
        if (FILES.includes(name)) await writeFile(join(aside, name), content);
      }
    },
    (unpacked) => {
      openLibrary(join(unpacked, "libvk_swiftshader.so"), {
        vk_icdGetInstanceProcAddr: { args: ["ptr", "cstring"], returns: "ptr" },
      });
    },
  );
  if (!folder) return null;
  return {
    driverFile: join(folder, "vk_swiftshader_icd.json"),
    loader: join(folder, "libvulkan.so.1"),
  };
}

/** A tar file is, for each file, a block of 512 bytes with its name and size (in octal), and its content in such blocks. */
function* filesOfTar(tar: Uint8Array): Generator<{ name: string; content: Uint8Array }> {
  const text = (from: number, to: number) =>
    new TextDecoder().decode(tar.subarray(from, to)).replace(/\0.*$/s, "");
  for (let at = 0; at < tar.length && tar[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, at + 136), 8);
    const content = tar.subarray(at + 512, at + 512 + size);
    yield { name: text(at, at + 100).replace(/^\.\//, ""), content };
    at += 512 * (1 + Math.ceil(size / 512));
  }
}

/**
 * Makes sure that a Vulkan loader is in the process before Dawn looks for one by its name:
 * the system's, or else the embedded one, which finds the system's GPU drivers as well.
 */
export async function ensureVulkanLoader(): Promise<void> {
  if (process.platform !== "linux") return;
  for (const path of ["libvulkan.so.1", (await embeddedSwiftShader())?.loader]) {
    try {
      if (path) openLibrary(path, { vkCreateInstance: { args: ["ptr"], returns: "int" } });
      return;
    } catch {}
  }
}

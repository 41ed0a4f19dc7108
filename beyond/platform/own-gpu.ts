import { UserError } from "../../lib/errors.ts";
import type { FoundAdapter } from "./runtime.ts";

/**
 * The adapter of the runtime's own WebGPU, `navigator.gpu`, which offers one.
 * @param request part of its name, which it must have
 * @param lookSeconds see `FoundAdapter`
 */
export async function findOwnAdapter(request = "", lookSeconds = 0): Promise<FoundAdapter> {
  const { gpu } = navigator;
  const adapter = await gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw new UserError("no WebGPU here: navigator.gpu offers no adapter");
  const { description, vendor, architecture, device, isFallbackAdapter } = adapter.info;
  const named = description || [vendor, architecture].filter(Boolean).join(" ");
  // kernels are chosen by that name
  const name = architecture === "swiftshader" ? "SwiftShader" : named || "navigator.gpu";
  const words = [name, description, vendor, architecture, device].join("\n").toLowerCase();
  const known = words.includes("llvmpipe") ? `${words}\nlavapipe` : words;
  if (!known.includes(request.trim().toLowerCase())) {
    throw new UserError(`navigator.gpu offers no adapter "${request}"; there is: ${name}`);
  }
  const isSoftware = isFallbackAdapter || /llvmpipe|swiftshader/.test(words);
  return {
    gpu,
    adapter,
    backend: "native",
    kind: isSoftware ? "system-software" : "hardware",
    name,
    driver: "navigator.gpu",
    lookSeconds,
    why: `${name}: of the runtime's own WebGPU`,
  };
}

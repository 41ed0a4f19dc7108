import { findDawnAdapter } from "../adapter.ts";
import { findOwnAdapter } from "../own-gpu.ts";
import type { FoundAdapter, GpuBackend } from "../runtime.ts";
import { straightened } from "./naga.ts";

export { napping as awaitGpu } from "../node/napping.ts";

/** Deno asks its GPU every ten milliseconds. */
const LOOK_SECONDS = 1e-2;

export async function findAdapter(
  request?: string,
  backend: GpuBackend = "dawn",
): Promise<FoundAdapter> {
  if (backend === "dawn") return findDawnAdapter(request);
  const found = await findOwnAdapter(request, LOOK_SECONDS);
  return { ...found, adapter: straightened(found.adapter) };
}

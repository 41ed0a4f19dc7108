import { UserError } from "../../../lib/errors.ts";
import { findDawnAdapter } from "../adapter.ts";
import type { FoundAdapter, GpuBackend } from "../runtime.ts";

export { napping as awaitGpu } from "../node/napping.ts";

export async function findAdapter(
  request?: string,
  backend: GpuBackend = "dawn",
): Promise<FoundAdapter> {
  if (backend === "dawn") return findDawnAdapter(request);
  throw new UserError(
    "--gpu-backend native: Bun has no WebGPU of its own; leave it out, or run under Deno",
  );
}

import { UserError } from "../../lib/errors.ts";
import { createInstance } from "./dawn.ts";
import { requireLargeFiles } from "./file-size-limit.ts";
import { withEnvironment, withoutStderr } from "./libc.ts";
import type { AdapterKind, FoundAdapter } from "./runtime.ts";
import { embeddedSwiftShader, ensureVulkanLoader } from "./swiftshader.ts";

/** Dawn tells at the next turn of the event loop; the GPU waits as long for what it is given then. */
const LOOK_SECONDS = 1e-3;

/**
 * Finds the adapter to compute on through Dawn: a real GPU first, then a software driver of the system, then the
 * embedded SwiftShader. Also defines WebGPU's globals (`GPUBufferUsage`, `GPUMapMode`, ...).
 * @param request part of the wanted adapter's name, driver, backend or kind, in any case;
 *   `swiftshader` and `embedded` mean the embedded driver wherever there is one
 * @throws UserError when no adapter fits, with the names of those there are
 */
export async function findDawnAdapter(
  request: string | undefined = process.env.RLEXPLORE_GPU,
): Promise<FoundAdapter> {
  const wanted = request?.trim().toLowerCase() ?? "";
  const fits = (found: FoundAdapter) => describe(found).includes(wanted);
  const asked = (found: FoundAdapter) => ({
    ...found,
    why: `${title(found)}: asked for by name`,
    isAsked: true,
  });

  if (wanted && ["swiftshader", "embedded"].some((name) => name.includes(wanted))) {
    const embedded = await embeddedAdapter();
    if (embedded) return asked(embedded);
  }
  await ensureVulkanLoader();
  const system = await systemAdapters();
  if (wanted) {
    const found = system.find(fits);
    if (found) {
      requireLargeFiles(found.name);
      return asked(found);
    }
  } else if (system.length > 0) {
    const [best] = system;
    requireLargeFiles(best.name);
    const reason =
      best.kind === "hardware"
        ? "the first GPU found"
        : "no GPU found; the system's software driver is faster than the embedded one";
    return { ...best, why: `${title(best)}: ${reason}` };
  }
  const embedded = await embeddedAdapter();
  if (embedded && !wanted) {
    const reason = "no GPU and no usable Vulkan driver found; computing on the CPU";
    return { ...embedded, why: `${title(embedded)}: ${reason}` };
  }
  if (embedded && fits(embedded)) return asked(embedded);

  const names = [...system, ...(embedded ? [embedded] : [])].map((found) => found.name);
  throw new UserError(
    names.length > 0
      ? `no adapter matches "${request}"; there are: ${[...new Set(names)].join(", ")}`
      : "no GPU, no usable Vulkan driver and no embedded one: install a GPU driver, or Mesa 25's " +
          "lavapipe (mesa-vulkan-drivers); RLEXPLORE_GPU_LOG=1 shows what was tried",
  );
}

/** The system's adapters, real GPUs before software. */
async function systemAdapters(): Promise<FoundAdapter[]> {
  const found = await enumerate((software) => (software ? "system-software" : "hardware"));
  const [hardware, software] = [true, false].map((real) =>
    found.filter(({ kind }) => (kind === "hardware") === real),
  );
  return [...hardware, ...software];
}

/** The embedded SwiftShader's adapter, or null where it cannot run. */
async function embeddedAdapter(): Promise<FoundAdapter | null> {
  const driver = await embeddedSwiftShader();
  if (!driver) return null;
  await ensureVulkanLoader();
  // Loaders older than 1.3.207 know the second name only.
  const variables = { VK_DRIVER_FILES: driver.driverFile, VK_ICD_FILENAMES: driver.driverFile };
  const found = await withEnvironment(variables, () => enumerate(() => "embedded-software"));
  return found[0] ?? null;
}

/** All adapters that the drivers in force offer and Dawn accepts, in Dawn's order of speed. */
async function enumerate(kindOf: (software: boolean) => AdapterKind): Promise<FoundAdapter[]> {
  return withoutStderr(async () => {
    const adapters: FoundAdapter[] = [];
    for (const { backend, name } of await listNames()) {
      const gpu = await createInstance([`backend=${backend}`, `adapter=${name}`]);
      const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
      if (!adapter) continue;
      const kind = kindOf(adapter.info.isFallbackAdapter);
      const driver = `${backend}, ${adapter.info.description}`;
      adapters.push({
        gpu,
        adapter,
        backend: "dawn",
        kind,
        name,
        driver,
        lookSeconds: LOOK_SECONDS,
        why: "",
      });
    }
    return adapters;
  });
}

/** Names of the adapters: Dawn tells them only in the error for a name that none has. */
async function listNames(): Promise<{ backend: string; name: string }[]> {
  const gpu = await createInstance(["adapter=\u0001none"]);
  try {
    await gpu.requestAdapter({ powerPreference: "high-performance" });
    return [];
  } catch (error) {
    const lines = String(error).matchAll(/backend: '([^']*)', name: '(.*)'/g);
    const names = new Map([...lines].map(([line, backend, name]) => [line, { backend, name }]));
    return [...names.values()];
  }
}

const title = ({ name, kind }: FoundAdapter) =>
  kind === "embedded-software" ? `${name}, embedded` : name;

/** What `--gpu` is matched with; Mesa's lavapipe calls its adapter by the name llvmpipe. */
function describe({ name, driver, kind, adapter }: FoundAdapter): string {
  const { vendor, architecture } = adapter.info;
  const alias = name.startsWith("llvmpipe") ? "lavapipe" : "";
  return [name, alias, driver, kind, vendor, architecture].join("\n").toLowerCase();
}

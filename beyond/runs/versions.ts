import { runtime } from "#platform/process.ts";
import packageJson from "../../package.json" with { type: "json" };
import type { TuningTable } from "../kernels/variants.ts";
import type { RunAdapter } from "../opening/run-policy.ts";
import type { RunConfig } from "./folder.ts";
import type { Origins } from "./origins.ts";

export const VERSION = packageJson.version;

/** Of the program, of what it runs on (`bun` or `deno`) and with. */
export const versions = () => ({
  rlexplore: VERSION,
  [runtime.name]: runtime.version,
  webgpu: packageJson.dependencies.webgpu,
  platform: `${process.platform}-${process.arch}`,
});

/** What a run's `config.json` says of the program, the machine and the settings. */
export function runConfig<Settings extends object>(
  settings: Settings,
  { adapter, tuning }: { adapter: RunAdapter; tuning: TuningTable },
  origins?: Origins,
): RunConfig<Settings> {
  return {
    settings,
    origins,
    versions: versions(),
    adapter: { name: adapter.name, driver: adapter.driver, kind: adapter.kind },
    tuning,
  };
}

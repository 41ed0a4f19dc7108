import type { Flags } from "./flags.ts";
import { EMBEDDED } from "./shared.ts";

/** Fills in the defaults, some of which depend on the model and on LoRA. */
export function complete(flags: Flags, given: Record<string, unknown>): Record<string, unknown> {
  const model = given.model ?? flags.model?.default;
  const defaults = Object.entries(flags).map(([key, { default: value, embedded, lora }]) => {
    if (embedded !== undefined && model === EMBEDDED) return [key, embedded];
    return [key, lora !== undefined && given.loraRank ? lora : value];
  });
  return { ...Object.fromEntries(defaults), ...given };
}

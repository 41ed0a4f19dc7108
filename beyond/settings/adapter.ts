import type { LoraConfig } from "../lora/lora.ts";
import { command } from "../terminal/program.ts";
import { fail } from "./checks.ts";
import { optionName } from "./flags.ts";

/** The LoRA that a model is; null for any other model. */
export type ReadAdapter = (model: string) => LoraConfig | null;

/**
 * The flags of a run whose model may be an adapter: then that adapter is trained on, with its rank, scale and targets.
 * @throws UserError for flags that ask for another one
 */
export function withAdapter(
  given: Record<string, unknown>,
  readAdapter: ReadAdapter,
): Record<string, unknown> {
  const { model } = given;
  const adapter = typeof model === "string" ? readAdapter(model) : null;
  if (!adapter) return given;
  const merge = command`merge ${String(model)} --output-dir merged`;
  if (given.fromScratch) fail(`--from-scratch needs a whole model, and ${model} is an adapter`);
  const { rank, alpha, targets } = adapter;
  const own = { loraRank: rank, loraAlpha: alpha, loraTargets: targets };
  for (const [key, value] of Object.entries(own)) {
    if (given[key] === undefined || inOrder(given[key]) === inOrder(value)) continue;
    fail(
      `--${optionName(key)} ${given[key]} is not that of the adapter ${model}, ${value}: leave it out to go on with the adapter, or make it a model first: ${merge}`,
    );
  }
  return { ...given, ...own };
}

const inOrder = (value: unknown) => String(Array.isArray(value) ? value.toSorted() : value);

import { parseArgs } from "node:util";
import { UserError } from "../../lib/errors.ts";
import { type FlagGroups, type Flags, optionName } from "./flags.ts";
import { nearest } from "./nearest.ts";
import { EMBEDDED } from "./shared.ts";

/**
 * Reads the arguments of one command. Nothing is ignored: an unknown flag, a missing or unusable value
 * and a value for a switch are errors. `given` tells what the user typed from what is a default, and
 * `texts` has it as it was typed.
 */
export function parseFlags(groups: FlagGroups, args: string[]) {
  const flags: Flags = Object.assign({}, ...Object.values(groups));
  const keyOf = new Map(Object.keys(flags).map((key) => [optionName(key), key]));
  const { tokens } = parseArgs({
    args,
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: Object.fromEntries(
      [...keyOf].map(([name, key]) => {
        const { value, short } = flags[key];
        return [name, { type: value ? "string" : "boolean", ...(short && { short }) }];
      }),
    ),
  });
  const positionals: string[] = [];
  const texts = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const key = keyOf.get(token.name);
    if (key === undefined) {
      const hint = nearest(token.name, [...keyOf.keys()]);
      const fix = hint ? `did you mean --${hint}?` : "see --help for those there are";
      throw new UserError(`unknown flag ${token.rawName}; ${fix}`);
    }
    const { value } = flags[key];
    if (!value && token.value !== undefined) throw new UserError(`${token.rawName} takes no value`);
    if (value && (token.value === undefined || /^--[a-z]/.test(token.value))) {
      if (!token.inlineValue) throw new UserError(`${token.rawName} needs a value: <${value}>`);
    }
    texts.set(key, [...(texts.get(key) ?? []), token.value ?? ""]);
  }
  const given: Record<string, unknown> = {};
  for (const [key, values] of texts) {
    try {
      given[key] = flags[key].parse(values);
    } catch (error) {
      throw new UserError(`--${optionName(key)} ${(error as Error).message}`);
    }
  }
  return { flags, given, positionals, texts };
}

/** Fills in the defaults, some of which depend on the model and on LoRA. */
export function complete(flags: Flags, given: Record<string, unknown>): Record<string, unknown> {
  const model = given.model ?? flags.model?.default;
  const defaults = Object.entries(flags).map(([key, { default: value, embedded, lora }]) => {
    if (embedded !== undefined && model === EMBEDDED) return [key, embedded];
    return [key, lora !== undefined && given.loraRank ? lora : value];
  });
  return { ...Object.fromEntries(defaults), ...given };
}

/** The flags that the parameters of the user's own methods are, beside those of a command. */
import { fail } from "./checks.ts";
import { type FlagGroups, flagsOf, optionName } from "./flags.ts";
import { type OwnMethods, ownFlags } from "./methods.ts";

/** Flags that every command has. */
const GLOBAL = ["help", "version"];

/**
 * The flags of a command and those of own methods' parameters.
 * @throws UserError, naming the files, for a parameter that is a flag already, or one of two files
 */
export function withOwnFlags<G extends FlagGroups>(groups: G, own: OwnMethods): G {
  const flags = flagsOf(groups);
  const shorts = Object.values(flags).map(({ short }) => short);
  const files = new Map<string, string>();
  // a file that is named twice is one method
  const seen = new Set<unknown>();
  for (const [path, method] of own) {
    if (seen.has(method)) continue;
    seen.add(method);
    for (const key of Object.keys(method.parameters)) {
      const other = files.get(key);
      if (other) {
        fail(
          `--${optionName(key)} is a parameter of both ${other} and ${path}: call it otherwise in one of them`,
        );
      }
      files.set(key, path);
      if (Object.hasOwn(flags, key) || shorts.includes(key) || GLOBAL.includes(key)) {
        fail(
          `${path}: --${optionName(key)} is a flag already: call that parameter of your own method otherwise`,
        );
      }
    }
  }
  return { ...groups, "Your own methods": ownFlags(own) };
}

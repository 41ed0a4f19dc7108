/** Rewards of the user's own code: a number, or several by name. */
import { REWARD_PARTS } from "../../lib/rewards.ts";
import { unusable } from "./mistakes.ts";

/** Null for what does not apply; all null leaves the completion out. */
export type Pays = number | null | Readonly<Record<string, number | null>>;

/** Also of a weight: what is worth more has gradients whose squares float32 may not hold. */
export const LARGEST_REWARD = 1e6;

/** Names that `--reward` can weigh. */
const NAME = /^[A-Za-z_][\w-]*$/;

/**
 * What own code returned.
 * @throws Error if it is nothing that can be paid
 */
export function checkedParts(given: unknown): Pays {
  if (typeof given !== "object" || given === null) return checkedValue(given);
  const entries = Object.entries(given);
  if (Array.isArray(given) || entries.length === 0) {
    throw unusable(
      `its reward must be a number, null, or an object of them, not ${JSON.stringify(given)}`,
    );
  }
  for (const [name, value] of entries) {
    checkedValue(value);
    if (!NAME.test(name) || [...REWARD_PARTS, "user"].includes(name)) {
      const why = NAME.test(name) ? "is the name of a built-in part" : "is no name";
      throw unusable(
        `a part of its reward is called "${name.slice(0, 40)}", which ${why}: call it otherwise`,
      );
    }
  }
  return Object.fromEntries(entries);
}

function checkedValue(value: unknown): number | null {
  if (value === null) return null;
  if (typeof value !== "number" || !Number.isFinite(value)) {
    throw unusable(`a reward must be a finite number or null, not ${shown(value)}`);
  }
  if (Math.abs(value) > LARGEST_REWARD) {
    throw unusable(`its rewards must be within ${LARGEST_REWARD}, not ${value}`);
  }
  return value;
}

const shown = (value: unknown) =>
  typeof value === "number" ? value : (JSON.stringify(value)?.slice(0, 200) ?? typeof value);

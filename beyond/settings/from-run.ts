import { complete } from "./complete.ts";
import { type Flags, optionName } from "./flags.ts";
import { requireTyped } from "./stored.ts";

/** How a run asks its model, and what counts as its answer: what goes with the model. */
const ASKING =
  "outcome systemPrompt promptTemplate chatTemplateKwargs thinkTags maxCompletionLength temperature topP topK minP stop".split(
    " ",
  );

/** The settings of the run that a model is of, and their file; null for a model that is of none. */
export type ReadRun = (model: string) => { settings: object; file: string } | null;

/**
 * All settings of a command that asks a model: what is not given is as in the run that made it.
 * @param settle takes from a run's settings those for the command
 * @returns them, and what to tell of it
 */
export function completeFromRun(
  flags: Flags,
  given: Record<string, unknown>,
  readRun: ReadRun,
  settle: (stored: object) => object = (stored) => stored,
): { all: Record<string, unknown>; told: string[] } {
  const defaults = complete(flags, given);
  const run = readRun(String(defaults.model));
  if (!run) return { all: defaults, told: [] };
  const entries = Object.entries(settle(run.settings)).filter(([key]) => ASKING.includes(key));
  const stored = Object.fromEntries(entries.filter(([key]) => key in flags));
  requireTyped(stored, flags, run.file);
  const isOther = (key: string, value: unknown) => JSON.stringify(value) !== text(stored[key]);
  const named = (key: string, value: unknown) => `--${optionName(key)} ${shown(value)}`;
  const taken = Object.keys(stored).filter(
    (key) => given[key] === undefined && isOther(key, defaults[key]),
  );
  const differing = Object.keys(stored).filter(
    (key) => given[key] !== undefined && isOther(key, given[key]),
  );
  return {
    all: { ...defaults, ...stored, ...given },
    told: [
      ...(taken.length > 0
        ? [`as in its run: ${taken.map((key) => named(key, stored[key])).join(" ")}`]
        : []),
      ...differing.map(
        (key) => `${named(key, given[key])} is not as in its run, which has ${shown(stored[key])}`,
      ),
    ],
  };
}

const text = (value: unknown) => JSON.stringify(value);
const shown = (value: unknown) =>
  value === null ? "none" : /^[\w.:/-]+$/.test(String(value)) ? String(value) : text(value);

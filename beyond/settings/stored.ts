/** The settings that a run keeps, and with which it goes on. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { withAbsoluteFiles } from "../own/code.ts";
import { isOwnFile, type OwnSettings, ownFilesOf, SUMS } from "../own/file.ts";
import { command as goOn } from "../terminal/program.ts";
import { type ReadAdapter, withAdapter } from "./adapter.ts";
import { fail, oneFile } from "./checks.ts";
import { complete } from "./complete.ts";
import { type FlagGroups, type Flags, optionName } from "./flags.ts";
import { nearest } from "./nearest.ts";
import { parseFlags } from "./parse.ts";

/** What may differ when a run is continued: nothing that its past depended on. */
export const CHANGEABLE = new Set(
  (
    "resume maxSteps outcomeTimeout microBatchTokens gradientCheckpointing samplingBatchSize kvCacheTokens speculativeRollouts evalFile evalSplit evalSteps evalSamples evalTemperature evalTopP evalTopK evalMinP evalMaxCompletionLength saveSteps saveTotalLimit " +
    "ray workers gpusPerNode saveBest runName logCompletions tensorboard quiet json gpu gpuBackend noTune"
  ).split(" "),
);

/** The command that a run with these settings is of. */
export function commandOf(stored: object): "train" | "sft" | "sample-base" {
  if ("rowsPerStep" in stored) return "sft";
  return "learningRate" in stored ? "train" : "sample-base";
}

/** Reads the stored settings of a run. */
export type ReadStored = (run: string) => object;

/**
 * All settings of a run, and those that were given for a new one. With `--resume` they are those of the
 * run, which `readStored` returns; a flag that contradicts them is refused unless it cannot change the past.
 */
export function newOrStored(
  command: string,
  groups: FlagGroups,
  args: string[],
  readStored: ReadStored,
  readAdapter: ReadAdapter = () => null,
): { all: Record<string, unknown>; given: Record<string, unknown> } {
  const { flags, given: typed, positionals } = parseFlags(groups, args);
  let given = typed;
  if (typeof given.resume !== "string") {
    given = withAdapter(given, readAdapter);
    return {
      all: { ...complete(flags, given), data: oneFile(positionals, command, given.data) },
      given,
    };
  }
  if (given.outputDir)
    fail("--resume and --output-dir exclude each other: a run stays in its folder");
  const stored = readStored(given.resume) as Record<string, unknown>;
  const own = commandOf(stored);
  if (own !== command) {
    fail(
      `${given.resume} is a run of ${own}; go on with it by: ${goOn`${own} --resume ${given.resume}`}`,
    );
  }
  requireTyped(stored, flags, join(given.resume, "config.json"));
  if (positionals.length > 0) given.data = oneFile(positionals, command, given.data);
  for (const [key, value] of Object.entries(given)) {
    const same = JSON.stringify(absolute(key, value)) === JSON.stringify(stored[key]);
    if (!same && !CHANGEABLE.has(key)) {
      const name = key === "data" ? "the data" : `--${optionName(key)}`;
      fail(`${name} cannot change when a run is continued (it was ${stored[key]}): leave it out`);
    }
  }
  // the display belongs to this invocation, not to the run
  const now = { quiet: false, json: false, ...given, outputDir: given.resume };
  return { all: { ...complete(flags, stored), ...now }, given: {} };
}

/** @throws UserError if a stored setting is none that could have been typed, or there is no such flag */
export function requireTyped(stored: Record<string, unknown>, flags: Flags, file: string) {
  for (const [key, value] of Object.entries(stored)) {
    const flag = flags[key];
    if (!flag) {
      const { explore, advantage } = stored as OwnSettings;
      const own = ownFilesOf({ explore, advantage }).map(({ path }) => path);
      if (own.length > 0) {
        fail(
          `${file}: there is no setting ${key}, and no such parameter of ${own.join(" or ")} any more: put that file back as it was`,
        );
      }
      const hint = nearest(key, Object.keys(flags));
      fail(`${file}: there is no setting ${key}${hint ? `; did you mean ${hint}?` : ""}`);
    }
    if (JSON.stringify(value) === JSON.stringify(flag.default)) continue;
    let why = "";
    try {
      if (JSON.stringify(flag.parse(asTyped(flag, value))) === JSON.stringify(value)) continue;
    } catch (error) {
      why = `: it ${(error as Error).message}`;
    }
    fail(`${file}: ${key} cannot be ${quoted(value)}${why}`);
  }
}

/** A value as the texts that give it on the command line. */
function asTyped({ default: usual }: Flags[string], value: unknown): string[] {
  if (Array.isArray(value)) {
    return Array.isArray(usual) && usual.length === 0 ? value.map(String) : [value.join(",")];
  }
  return [typeof value === "object" ? JSON.stringify(value) : String(value)];
}

const quoted = (value: unknown) => JSON.stringify(value)?.slice(0, 100);

/** Settings as a run stores them: paths absolute, so that it can be continued from another folder. */
export function storedSettings<T extends object>(all: T): T {
  const paths = new Set(["data", "model", "outputDir", "evalFile"]);
  const isPath = (key: string, value: unknown) =>
    paths.has(key) || isSum(key) || (key === "outcome" && isOwnFile(String(value)));
  const entries = Object.entries(all).map(([key, value]) => {
    return [key, isPath(key, value) ? absolute(key, value) : value];
  });
  return Object.fromEntries(entries);
}

const isSum = (key: string) => SUMS.some((sum) => sum === key);

function absolute(key: string, value: unknown) {
  if (typeof value !== "string" || value === "") return value;
  if (isSum(key)) return withAbsoluteFiles(value);
  return existsSync(value) ? resolve(value) : value;
}

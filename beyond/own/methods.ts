/** Bonuses and advantages in files of the user's: objects as the built-in ones are. */
import { z } from "zod";
import { UserError } from "../../lib/errors.ts";
import type { ExplorationMethod, Group } from "../../lib/explore/method.ts";
import type { OwnMethods } from "../settings/methods.ts";
import { quoted } from "../terminal/quoted.ts";
import { loadOwn } from "./code.ts";
import { type OwnSettings, ownFilesOf } from "./file.ts";
import { describeError, OwnCodeError } from "./mistakes.ts";

/** What a file exports by default. All but a name and a signal may be left out. */
const Method = z.strictObject({
  name: z.string().regex(/^[a-z][\w-]*$/i, "is letters, digits, - and _"),
  readsHistory: z.boolean().default(false),
  parameters: z
    .record(
      z.string().regex(/^[a-z][a-zA-Z0-9]*$/, "is a name such as tau or halfLife"),
      z
        .strictObject({
          default: z.number(),
          min: z.number().default(-Infinity),
          max: z.number().default(Infinity),
          help: z.string(),
          source: z.string().default("its file"),
        })
        .refine(({ default: value, min, max }) => value >= min && value <= max, {
          error: "has a default that is not between min and max",
        }),
    )
    .default({}),
  signal: z.custom<ExplorationMethod["signal"]>((value) => typeof value === "function", {
    error: "must be a function: signal: (group, parameters) => ...",
  }),
});

const USAGE =
  'export default { name: "mine", signal: ({ counts }) => counts.map((n) => 1 / (1 + n)) }';

/**
 * Loads the methods that settings name by their files.
 * @throws UserError for one that cannot be loaded, or is none
 */
export async function loadMethods(settings: OwnSettings): Promise<OwnMethods> {
  const { explore, advantage } = settings;
  const own = new Map<string, ExplorationMethod>();
  for (const { flag, path } of ownFilesOf({ explore, advantage })) {
    if (!own.has(path)) own.set(path, await loadMethod(flag, path));
  }
  return own;
}

/** The methods that a command line names, or the run that it continues. */
export async function methodsIn(
  args: readonly string[],
  readStored: (run: string) => OwnSettings,
): Promise<OwnMethods> {
  const resumed = valuesOf(args, "resume").at(0);
  const explore = valuesOf(args, "explore").join(",");
  const advantage = valuesOf(args, "advantage").join(",");
  const typed = await loadMethods({ explore, advantage });
  return resumed ? new Map([...typed, ...(await loadMethods(readStored(resumed)))]) : typed;
}

/** What is typed for a flag, whatever else is wrong with the arguments. */
const valuesOf = (args: readonly string[], flag: string): string[] =>
  args.flatMap((arg, i) => {
    if (arg === `--${flag}`) return args[i + 1] ?? [];
    return arg.startsWith(`--${flag}=`) ? arg.slice(flag.length + 3) : [];
  });

/** One method, the signals of which are checked as they come. */
export async function loadMethod(flag: string, path: string): Promise<ExplorationMethod> {
  const { default: given } = await loadOwn(flag, path);
  if (typeof given !== "object" || given === null) {
    throw new UserError(`${flag} ${path} must export an object: ${USAGE}`);
  }
  const read = Method.safeParse(given);
  if (!read.success) {
    const [{ path: keys, message, ...issue }] = read.error.issues;
    const unknown = issue.code === "unrecognized_keys" ? `: ${issue.keys.join(", ")}` : "";
    throw new UserError(
      `${flag} ${path}: ${keys.join(".") || "its object"} ${message.replace(/^Invalid input: /, "")}${unknown}`,
    );
  }
  const method = read.data;
  const where = (group: Group) =>
    `${flag} ${path}, step ${group.step}, question ${quoted(group.question)}`;
  return {
    ...method,
    signal(group, parameters) {
      let values: unknown;
      try {
        // it may keep or change what it is given: that is a copy
        values =
          given && (given as ExplorationMethod).signal(structuredClone(group), { ...parameters });
      } catch (error) {
        throw new OwnCodeError(`${where(group)}: ${describeError(error, path)}`);
      }
      const problem = problemOf(values, group.outcomes.length);
      if (problem) throw new OwnCodeError(`${where(group)}: ${problem}`);
      return Float64Array.from(values as ArrayLike<number>);
    },
  };
}

/** What is wrong with a signal for n completions; null if nothing is. */
function problemOf(values: unknown, n: number): string | null {
  const isList = Array.isArray(values) || (ArrayBuffer.isView(values) && "length" in values);
  if (!isList) {
    const hint = values instanceof Promise ? "; it cannot wait for anything" : "";
    return `signal must return a list of ${n} numbers, not ${typeof values}${hint}`;
  }
  const list = Array.from(values as ArrayLike<unknown>);
  if (list.length !== n) {
    return `signal must return a number for each of ${n} completions, and returned ${list.length}`;
  }
  const wrong = list.findIndex((value) => typeof value !== "number" || !Number.isFinite(value));
  return wrong < 0
    ? null
    : `signal returned ${String(list[wrong])} for completion ${wrong + 1}, which is no finite number`;
}

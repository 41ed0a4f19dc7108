/** Bonuses and advantages in files of the user's: objects as the built-in ones are. */
import { resolve } from "node:path";
import { z } from "zod";
import { UserError } from "../../lib/errors.ts";
import type { ExplorationMethod, Group } from "../../lib/explore/method.ts";
import type { OwnMethods } from "../settings/methods.ts";
import { quoted } from "../terminal/quoted.ts";
import { loadOwn } from "./code.ts";
import { type OwnSettings, ownFilesOf, typedFor, typedOwn } from "./file.ts";
import { describeError, OwnCodeError } from "./mistakes.ts";
import { asOwn } from "./printing.ts";

/** What a file exports by default. All but a name and a signal may be left out. */
const Method = z.strictObject({
  name: z.string().regex(/^[a-z][\w-]*$/i, "is letters, digits, - and _"),
  readsHistory: z.boolean().default(false),
  parameters: z
    .record(
      z
        .string()
        .regex(/^[a-z][a-zA-Z0-9]*$/, "is a name such as tau or halfLife")
        // every object has the ones already; the others are how a flag is turned off
        .refine((name) => !(name in {}) && !/^no[A-Z]/.test(name), {
          error: "is a name that no flag can have: call that parameter otherwise",
        }),
      z
        .strictObject({
          default: z.number(),
          min: z.number().default(-Infinity),
          max: z.number().default(Infinity),
          whole: z.boolean().default(false),
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
  tokens: z
    .custom<ExplorationMethod["tokens"]>((value) => typeof value === "function", {
      error: "must be a function: tokens: (group, parameters) => ...",
    })
    .optional(),
});

const USAGE =
  'export default { name: "mine", signal: ({ counts }) => counts.map((n) => 1 / (1 + n)) }';

/**
 * Loads the methods that settings name by their files; a file that has several paths is one method.
 * @throws UserError for one that cannot be loaded, or is none
 */
export async function loadMethods(...settings: OwnSettings[]): Promise<OwnMethods> {
  const own = new Map<string, ExplorationMethod>();
  const files = new Map<string, ExplorationMethod>();
  const named = settings.flatMap(({ explore, advantage }) => ownFilesOf({ explore, advantage }));
  for (const { flag, path } of named) {
    const file = resolve(path);
    const method = files.get(file) ?? (await loadMethod(flag, path));
    files.set(file, method);
    own.set(path, method);
  }
  return own;
}

/** The methods that a command line names, or the run that it continues. */
export async function methodsIn(
  args: readonly string[],
  readStored: (run: string) => OwnSettings,
): Promise<OwnMethods> {
  const resumed = typedFor(args, "resume").at(0);
  return loadMethods(resumed ? readStored(resumed) : {}, typedOwn(args));
}

/** One method, the signals of which are checked as they come. */
export async function loadMethod(flag: string, path: string): Promise<ExplorationMethod> {
  const { default: exported } = await loadOwn(flag, path);
  if (typeof exported !== "object" || exported === null) {
    throw new UserError(`${flag} ${path} must export an object: ${USAGE}`);
  }
  /** What it has may be told by code, which may throw. */
  const attempt = <T>(look: () => T): T => {
    try {
      return asOwn(look);
    } catch (error) {
      throw new UserError(`${flag} ${path}: ${describeError(error, path)}`);
    }
  };
  const read = attempt(() => Method.safeParse(exported));
  if (!read.success) {
    const [{ path: keys, ...issue }] = read.error.issues;
    const { message } = issue.code === "invalid_key" ? issue.issues[0] : issue;
    const unknown = issue.code === "unrecognized_keys" ? `: ${issue.keys.join(", ")}` : "";
    throw new UserError(
      `${flag} ${path}: ${keys.join(".") || "its object"} ${message.replace(/^Invalid input: /, "")}${unknown}`,
    );
  }
  const { tokens, ...method } = read.data;
  const object = exported as Record<"signal" | "tokens", (...given: unknown[]) => unknown>;
  /** What one of its functions gives for a group, with what is wrong with it. */
  const call = (name: "signal" | "tokens", group: Group, parameters: object) => {
    const where = `${flag} ${path}, step ${group.step}, question ${quoted(group.question)}`;
    let given: unknown;
    try {
      // it may keep or change what it is shown: that is a copy. As a method of its object, so that `this` is that
      given = asOwn(() => object[name](structuredClone(group), { ...parameters }));
    } catch (error) {
      throw new OwnCodeError(`${where}: ${describeError(error, path)}`);
    }
    const fail = (problem: string) => new OwnCodeError(`${where}: ${name} ${problem}`);
    return { given, fail };
  };
  return {
    ...method,
    signal(group, parameters) {
      const { given, fail } = call("signal", group, parameters);
      return numbersIn(given, completionsOf(group), fail);
    },
    ...(tokens && {
      tokens(group, parameters) {
        const { given, fail } = call("tokens", group, parameters);
        const lists = listOf(given, "list of numbers", completionsOf(group), fail);
        return lists.map((list, i) => numbersIn(list, tokensOf(group, i), fail));
      },
    }),
  };
}

type Fail = (problem: string) => OwnCodeError;

/** What a list has an element for: `n` of them, called so; `one` names one by its place. */
interface Each {
  n: number;
  called: string;
  one: (i: number) => string;
}

const completionsOf = ({ outcomes }: Group): Each => ({
  n: outcomes.length,
  called: "completions",
  one: (i) => `completion ${i + 1}`,
});

const tokensOf = ({ logprobs }: Group, i: number): Each => ({
  n: logprobs[i].length,
  called: `tokens of completion ${i + 1}`,
  one: (t) => `token ${t + 1} of completion ${i + 1}`,
});

function listOf(given: unknown, kind: string, { n, called }: Each, fail: Fail): unknown[] {
  const wanted = `must return a ${kind} for each of ${n} ${called}`;
  const isList = Array.isArray(given) || (ArrayBuffer.isView(given) && "length" in given);
  if (!isList) {
    const hint = given instanceof Promise ? "; it cannot wait for anything" : "";
    throw fail(`${wanted}, and returned ${typeof given}${hint}`);
  }
  const list = Array.from(given as ArrayLike<unknown>);
  if (list.length !== n) throw fail(`${wanted}, and returned ${list.length}`);
  return list;
}

/** Of a signal: beyond it, the squares of gradients are soon more than float32 holds. */
const LARGEST_SIGNAL = 1e12;

/** @throws OwnCodeError for what is no list of finite numbers, or has one that a loss in float32 cannot carry */
function numbersIn(given: unknown, each: Each, fail: Fail): Float64Array {
  const list = listOf(given, "number", each, fail);
  const wrong = list.findIndex((value) => typeof value !== "number" || !Number.isFinite(value));
  const values = Float64Array.from(list as number[]);
  const large = values.findIndex((value) => Math.abs(value) > LARGEST_SIGNAL);
  if (wrong < 0 && large < 0) return values;
  if (wrong < 0) {
    const most = `more than ${LARGEST_SIGNAL.toExponential()} either way, which a loss in float32 cannot carry`;
    throw fail(`returned ${values[large].toExponential()} for ${each.one(large)}: ${most}`);
  }
  const what = String(list[wrong]).slice(0, 100);
  throw fail(`returned ${what} for ${each.one(wrong)}, which is no finite number`);
}

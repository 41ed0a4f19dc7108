import { basename, extname, join } from "node:path";
import { z } from "zod";
import { UserError } from "../../lib/errors.ts";
import { loadMethods } from "../own/methods.ts";
import { adapterOf } from "../runs/folder.ts";
import { evalSettings, sampleBaseSettings, trainSettings } from "../settings/arguments.ts";
import { FOR_EVALUATION } from "../settings/evaluating.ts";
import { type FlagGroups, optionName } from "../settings/flags.ts";
import { type EvalSettings, evalGroups } from "../settings/measuring.ts";
import { NO_METHODS, type OwnMethods } from "../settings/methods.ts";
import {
  evaluating,
  type SampleBaseSettings,
  sampleBaseGroups,
  type TrainSettings,
} from "../settings/training.ts";
import { YamlFile } from "./yaml.ts";

/** The method under which the base model's samples go. */
export const BASE = "base";

const value = z.union([z.string(), z.number(), z.boolean()]);
/** Flags as on the command line, without the dashes; a list stands for each of its values in turn. */
const flags = z.record(z.string(), z.union([value, z.array(value).min(1)]));
type FlagLists = z.infer<typeof flags>;

const file = z.strictObject({
  data: z.string(),
  "held-out": z.string(),
  base: z.union([z.boolean(), flags], "is true, false, or flags of sample-base").default(true),
  seeds: z
    .array(z.int().min(0))
    .min(1, "needs at least one seed")
    .refine((all) => new Set(all).size === all.length, "has a seed twice"),
  settings: flags.default({}),
  methods: z.record(z.string().regex(/^[\w.,+-]+$/), flags.nullable()),
  evaluate: z.strictObject({
    checkpoints: z.array(z.int().min(1)).min(1),
    "num-samples": z.int().min(1).default(64),
    k: z.array(z.int().min(1)).optional(),
  }),
});

/** One run of an experiment: of `train`, or of `sample-base`. */
export type PlannedRun = {
  /** Its folder in that of the experiment: method, what varies, and seed. */
  name: string;
  /** The name without the seed. */
  method: string;
  seed: number;
  /** How its models are evaluated; `model` and `output` are filled in then. */
  evaluation: EvalSettings;
  /** The steps whose checkpoints are evaluated, ascending; of the base model step 0. */
  checkpoints: number[];
  /** The methods in files that it names. */
  own: OwnMethods;
} & ({ base: true; settings: SampleBaseSettings } | { base: false; settings: TrainSettings });

export interface Experiment {
  name: string;
  data: string;
  heldOut: string;
  /** Seed by seed, so that what is done first can be compared already. */
  runs: PlannedRun[];
}

/** What `compare` says itself. */
const OWN = new Set(
  "output-dir resume seed quiet json gpu no-tune kernels speculative-rollouts".split(" "),
);

/**
 * Reads `experiments/<name>.yaml`: methods x settings x seeds. Paths are as on the command line.
 * @param folder where the runs go
 * @throws UserError naming the line and the key of what is wrong
 */
export async function readExperiment(path: string, folder: string): Promise<Experiment> {
  const yaml = new YamlFile(path);
  const read = file.safeParse(yaml.value);
  if (!read.success) {
    const { issues } = read.error;
    // a key that is misspelt is also one that is missing
    throw problemOf(yaml, issues.find(({ code }) => code === "unrecognized_keys") ?? issues[0]);
  }
  const { data, base, seeds, methods, evaluate } = read.data;
  if (BASE in methods) {
    throw yaml.problem(["methods", BASE], `is the base model itself; "base: true" samples from it`);
  }
  const heldOut = read.data["held-out"];
  const runs: PlannedRun[] = [];
  const inFiles = await ownMethodsOf(yaml, read.data);
  /** The method of the file that a run's folder is of; some disks take Ucb and ucb for the same. */
  const taken = new Map<string, string>();
  const ownOf = (method: string) => inFiles.get(method) ?? NO_METHODS;
  const plan = (method: string, given: FlagLists, seed: number) => {
    try {
      for (const { labels, flags } of variants(given)) {
        const name = [method, ...labels].join("-").replace(/[^\w.,+-]+/g, "-");
        const own = { ...flags, seed, "output-dir": join(folder, `${name}-${seed}`) };
        const evaluation = evaluationOf(heldOut, { ...flags, seed }, evaluate);
        const other = taken.get(`${name}-${seed}`.toLowerCase());
        if (other !== undefined) {
          throw new UserError(
            `has a run ${name}-${seed}, and so has ${other === method ? "another of its values" : other}: call the method otherwise`,
          );
        }
        taken.set(`${name}-${seed}`.toLowerCase(), method);
        const common = {
          name: `${name}-${seed}`,
          method: name,
          seed,
          evaluation,
          own: ownOf(method),
        };
        if (method === BASE) {
          const asking = argumentsOf(knownTo(sampleBaseGroups, own));
          const settings = sampleBaseSettings([data, ...asking], () => ({}));
          runs.push({ ...common, base: true, settings, checkpoints: [0] });
        } else {
          const checkpoints = [...evaluate.checkpoints].sort((a, b) => a - b);
          const all = [
            data,
            ...argumentsOf({ ...savingAt(checkpoints, flags["max-steps"]), ...own }),
          ];
          const settings = trainSettings(all, () => ({}), adapterOf, ownOf(method));
          requireKept(checkpoints, settings);
          runs.push({ ...common, base: false, settings, checkpoints });
        }
      }
    } catch (error) {
      throw located(yaml, method, error);
    }
  };
  for (const seed of seeds) {
    if (base !== false) {
      const own = base === true ? {} : base;
      plan(BASE, { ...knownTo(BASE_GROUPS, read.data.settings), ...own }, seed);
    }
    for (const [method, own] of Object.entries(methods)) {
      plan(method, { ...read.data.settings, ...own }, seed);
    }
  }
  return { name: basename(path, extname(path)), data, heldOut, runs };
}

/** The bonuses and advantages in files that each method of the experiment names. */
async function ownMethodsOf(yaml: YamlFile, { settings, methods }: z.infer<typeof file>) {
  const all = new Map<string, OwnMethods>();
  for (const [method, flags] of Object.entries(methods)) {
    const { explore = [], advantage = [] } = { ...settings, ...flags };
    const named = { explore: [explore].flat().join(","), advantage: [advantage].flat().join(",") };
    try {
      all.set(method, await loadMethods(named));
    } catch (error) {
      throw located(yaml, method, error);
    }
  }
  return all;
}

function problemOf(yaml: YamlFile, issue: z.core.$ZodIssue): UserError {
  if (issue.code === "unrecognized_keys") {
    const keys = [...issue.path, issue.keys[0]];
    const known = issue.path.length > 0 ? file.shape.evaluate.shape : file.shape;
    return yaml.problem(keys, `is not known; there are ${Object.keys(known).join(", ")}`);
  }
  if (issue.code === "invalid_key") {
    return yaml.problem(issue.path, "a method's name has letters, digits and , + - . only");
  }
  const missing = issue.code === "invalid_type" && issue.message.endsWith("undefined");
  const message = missing ? "is missing" : issue.message.replace(/^Invalid input: /, "");
  return yaml.problem(issue.path, message);
}

/** A mistake in a flag, with the line of the flag; where none is named, that of the method. */
function located(yaml: YamlFile, method: string, error: unknown): unknown {
  if (!(error instanceof UserError)) return error;
  const { value } = yaml as { value: z.infer<typeof file> };
  const name = /--([a-z0-9-]+)/.exec(error.message)?.[1] ?? "";
  const places = [
    ["methods", method, name],
    ["settings", name],
    ["evaluate", name],
  ];
  const has = (place: string[]) =>
    place.reduce<unknown>((at, key) => (at as Record<string, unknown>)?.[key], value) !== undefined;
  const place = places.find(has) ?? (method === BASE ? [BASE] : ["methods", method]);
  return yaml.problem(place, error.message);
}

/** Every choice of one value from each list, with what was chosen. */
function variants(given: FlagLists): { labels: string[]; flags: Record<string, Value> }[] {
  let all: { labels: string[]; flags: Record<string, Value> }[] = [{ labels: [], flags: {} }];
  for (const [name, values] of Object.entries(given)) {
    if (OWN.has(name)) throw new UserError(`--${name} is for compare to say: leave it out`);
    all = all.flatMap(({ labels, flags }) =>
      Array.isArray(values)
        ? values.map((one) => ({
            labels: [...labels, name, String(one)],
            flags: { ...flags, [name]: one },
          }))
        : [{ labels, flags: { ...flags, [name]: values } }],
    );
  }
  return all;
}

type Value = z.infer<typeof value>;

const argumentsOf = (flags: Record<string, Value>): string[] =>
  Object.entries(flags).flatMap(([name, one]) => {
    if (one === false) return [];
    return one === true ? [`--${name}`] : [`--${name}=${one}`];
  });

/** Of these flags, the ones that another command has too. */
function knownTo<T>(groups: FlagGroups, given: Record<string, T>): Record<string, T> {
  const names = new Set(Object.values(groups).flatMap(Object.keys).map(optionName));
  return Object.fromEntries(Object.entries(given).filter(([name]) => names.has(name)));
}

/** What concerns a base model: how it is sampled, and how it is evaluated. */
const BASE_GROUPS = { ...sampleBaseGroups, evaluating };

/** A model is evaluated as its run would: with the same prompts and outcomes, and its sampling or that of its evaluations. */
function evaluationOf(
  heldOut: string,
  given: Record<string, Value>,
  evaluate: z.infer<typeof file>["evaluate"],
): EvalSettings {
  const { model: _, limit: __, ...same }: Record<string, Value> = knownTo(evalGroups, given);
  for (const [key, name] of Object.entries(FOR_EVALUATION)) {
    const own = given[optionName(name)];
    if (own !== undefined) same[optionName(key)] = own;
  }
  const own: Record<string, Value> = { ...same, "num-samples": evaluate["num-samples"] };
  if (evaluate.k) own.k = evaluate.k.join(",");
  return evalSettings([heldOut, ...argumentsOf(own)]);
}

/** Checkpoints as far apart as those that are evaluated allow, all of them kept. */
function savingAt(checkpoints: readonly number[], maxSteps: Value = 0): Record<string, Value> {
  const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
  const every = checkpoints.reduce(divisor);
  const last = Math.max(checkpoints[checkpoints.length - 1], Number(maxSteps) || 0);
  return { "save-steps": every, "save-total-limit": Math.ceil(last / every) };
}

function requireKept(checkpoints: readonly number[], settings: TrainSettings): void {
  const { maxSteps, saveSteps, saveTotalLimit } = settings;
  const multiples = Array.from(
    { length: Math.ceil(maxSteps / saveSteps) - 1 },
    (_, i) => (i + 1) * saveSteps,
  );
  const kept = [...multiples, maxSteps].slice(-saveTotalLimit);
  const lost = checkpoints.find((step) => !kept.includes(step));
  if (lost === undefined) return;
  throw new UserError(
    `--checkpoints ${lost} is not among those kept: with --max-steps ${maxSteps}, --save-steps ${saveSteps} and --save-total-limit ${saveTotalLimit} these are ${kept.join(", ")}`,
  );
}

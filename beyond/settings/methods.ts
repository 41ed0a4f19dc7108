/** Bonuses and advantages by the names they have on the command line, and the flags of their parameters. */
import { advantages as coreAdvantages } from "../../lib/explore/advantages.ts";
import { methods as coreBonuses } from "../../lib/explore/bonus.ts";
import type { AdvantageMethod, ExplorationMethod } from "../../lib/explore/method.ts";
import { paperAdvantages, paperBonuses } from "../methods/list.ts";
import { isOwnFile } from "../own/file.ts";
import { type Flag, type Flags, integer, number, type UnionToIntersection } from "./flags.ts";

/** Methods in files of the user's, by the path that names each; `loadMethods` opens them. */
export type OwnMethods = ReadonlyMap<string, ExplorationMethod>;

export const NO_METHODS: OwnMethods = new Map();

const bonuses = [...coreBonuses, ...paperBonuses] as const;
const advantages = [...coreAdvantages, ...paperAdvantages] as const;

/** The names that `--explore` and `--advantage` know. */
export const explorationNames = ["none", ...bonuses.map(({ name }) => name)];
export const advantageNames = advantages.map(({ name }) => name);

const known: readonly ExplorationMethod[] = [...bonuses, ...advantages];

/** The bonus, or the advantage, of this name or in this file; undefined if there is none. */
export const bonusOf = (name: string, own: OwnMethods) => find(bonuses, name, own);
export const advantageOf = (name: string, own: OwnMethods): AdvantageMethod | undefined =>
  find(advantages, name, own);

const find = (built: readonly ExplorationMethod[], name: string, own: OwnMethods) =>
  isOwnFile(name) ? own.get(name) : built.find((method) => method.name === name);

type Parameters<M extends readonly ExplorationMethod[]> = UnionToIntersection<
  M[number]["parameters"]
>;
type FlagsOf<P> = { [name in keyof P]: Flag<number> };

/** A flag for each parameter of each method. */
function parameterFlags(some: Iterable<ExplorationMethod>): Flags {
  return Object.fromEntries(
    Array.from(some).flatMap(({ parameters }) =>
      Object.entries(parameters).map(
        ([name, { default: value, min, max, whole, help, source }]) => [
          name,
          (whole ? integer : number)(value, { min, max }, help, source),
        ],
      ),
    ),
  );
}

export const explorationFlags = parameterFlags(bonuses) as FlagsOf<Parameters<typeof bonuses>>;
export const advantageFlags = parameterFlags(advantages) as FlagsOf<Parameters<typeof advantages>>;

/** The flags of methods of the user's own. */
export const ownFlags = (own: OwnMethods): Flags => parameterFlags(own.values());

/** The names in a sum of methods such as `ucb-con, batch`. */
export const termsOf = (sum: string): string[] => sum.split(",").map((term) => term.trim());

/** The built-in methods whose parameter a flag is. */
export const methodsWithParameter = (flag: string) =>
  known.filter(({ parameters }) => flag in parameters);

/**
 * A value for each parameter of a method.
 * @throws RangeError for a number out of range
 */
export function parametersOf(
  method: ExplorationMethod,
  given: Readonly<Record<string, unknown>>,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(method.parameters).map(([name, { default: standard, min, max, whole }]) => {
      const value = Number(given[name] ?? standard);
      if (!(value >= min && value <= max)) {
        throw new RangeError(`${name} ${value} must be between ${min} and ${max}`);
      }
      if (whole && !Number.isInteger(value)) {
        throw new RangeError(`${name} ${value} must be a whole number`);
      }
      return [name, value];
    }),
  );
}

import { type Exploration, methods } from "../../lib/explore/bonus.ts";
import type { ExplorationMethod } from "../../lib/explore/method.ts";
import { type Flag, number, type UnionToIntersection } from "./flags.ts";

/** The names that `--explore` knows. */
export const explorationNames = ["none", ...methods.map(({ name }) => name)];

type Parameters = UnionToIntersection<(typeof methods)[number]["parameters"]>;

/** A flag for each parameter of each method. */
export const explorationFlags = Object.fromEntries(
  (methods as readonly ExplorationMethod[]).flatMap(({ parameters }) =>
    Object.entries(parameters).map(([name, { default: value, min, max, help, source }]) => [
      name,
      number(value, { min, max }, help, source),
    ]),
  ),
) as { [name in keyof Parameters]: Flag<number> };

/** The method whose parameter a flag is, if it is one. */
export const methodWithParameter = (flag: string) =>
  (methods as readonly ExplorationMethod[]).find(({ parameters }) => flag in parameters);

/**
 * Reads a sum of methods such as `"ucb-con,batch"`.
 *
 * @param coefficients one for all terms, or one each in the order of `text`
 * @param given has the parameters of the methods among its numbers; defaults stand in for those it lacks
 * @throws RangeError, with a one-line message, on an unknown or repeated method, on `none` beside
 *   another, on a wrong number of coefficients, and on a number out of range
 */
export function parseExploration(
  text: string,
  coefficients: readonly number[],
  given: Readonly<Record<string, unknown>> = {},
): Exploration {
  const names = text.split(",").map((name) => name.trim());
  for (const name of names) {
    if (!explorationNames.includes(name)) {
      throw new RangeError(
        `unknown exploration method "${name}": choose from ${explorationNames.join(", ")}, or a sum such as ucb-con,batch`,
      );
    }
  }
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated !== undefined) throw new RangeError(`exploration method ${repeated} is given twice`);
  if (names.length > 1 && names.includes("none")) {
    throw new RangeError(`exploration method none cannot be added to others: remove it`);
  }
  if (coefficients.length !== 1 && coefficients.length !== names.length) {
    throw new RangeError(
      `${coefficients.length} exploration coefficients for ${names.length} methods: give one, or one each`,
    );
  }
  for (const coefficient of coefficients) {
    if (!(coefficient >= 0 && coefficient < Infinity)) {
      throw new RangeError(`exploration coefficient ${coefficient} must be a number of 0 or more`);
    }
  }
  const terms = names.map((name, i) => {
    const method = methods.find((method) => method.name === name);
    const coefficient = coefficients[coefficients.length === 1 ? 0 : i];
    return method && { method, coefficient, parameters: parametersOf(method, given) };
  });
  return terms.filter((term) => term !== undefined);
}

function parametersOf(method: ExplorationMethod, given: Readonly<Record<string, unknown>>) {
  return Object.fromEntries(
    Object.entries(method.parameters).map(([name, { default: standard, min, max }]) => {
      const value = Number(given[name] ?? standard);
      if (!(value >= min && value <= max)) {
        throw new RangeError(`${name} ${value} must be between ${min} and ${max}`);
      }
      return [name, value];
    }),
  );
}

/** Reading `--explore ucb-con,./my-bonus.ts` and `--advantage ./my-advantage.ts`. */
import type { Advantage } from "../../lib/explore/advantages.ts";
import type { Exploration } from "../../lib/explore/bonus.ts";
import {
  advantageNames,
  advantageOf,
  bonusOf,
  explorationNames,
  NO_METHODS,
  type OwnMethods,
  parametersOf,
  termsOf,
} from "./methods.ts";

type Given = Readonly<Record<string, unknown>>;

/**
 * Reads a sum of methods such as `"ucb-con,batch"`.
 *
 * @param coefficients one for all terms, or one each in the order of `text`
 * @param given has the parameters of the methods among its numbers; defaults stand in for those it lacks
 * @param own methods in files, which `text` may name
 * @throws RangeError, with a one-line message, on an unknown or repeated method, on `none` beside
 *   another, on a wrong number of coefficients, and on a number out of range
 */
export function parseExploration(
  text: string,
  coefficients: readonly number[],
  given: Given = {},
  own: OwnMethods = NO_METHODS,
): Exploration {
  const names = termsOf(text);
  for (const name of names) {
    if (name !== "none" && !bonusOf(name, own)) {
      throw new RangeError(
        `unknown exploration method "${name}": choose from ${explorationNames.join(", ")}, a sum such as ucb-con,batch, or a file such as ./my-bonus.ts`,
      );
    }
  }
  // two paths may name one file
  const methods = names.map((name) => bonusOf(name, own));
  const repeated = names.find((_, i) => methods.indexOf(methods[i]) !== i);
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
  const terms = methods.map((method, i) => {
    const coefficient = coefficients[coefficients.length === 1 ? 0 : i];
    return method && { method, coefficient, parameters: parametersOf(method, given) };
  });
  return terms.filter((term) => term !== undefined);
}

/** Reads the name of an advantage, likewise. */
export function parseAdvantage(
  text: string,
  given: Given = {},
  own: OwnMethods = NO_METHODS,
): Advantage {
  const method = advantageOf(text, own);
  if (!method) {
    throw new RangeError(
      `unknown advantage "${text}": choose from ${advantageNames.join(", ")}, or a file such as ./my-advantage.ts`,
    );
  }
  return { method, parameters: parametersOf(method, given) };
}

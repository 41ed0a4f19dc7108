import { EXAMPLE as TRIAL } from "../../beyond/own/example.ts";
import { UserError } from "../../lib/errors.ts";
import type { ExplorationMethod, Group } from "../../lib/explore/method.ts";

/** What the editor begins with: ucb-con. */
export const EXAMPLE = `// outcomes[i]: the answer of completion i, null if it has none
// counts[i]:   N(x, a), how often that answer was seen in earlier steps
// correct[i]:  whether it is the right one
return counts.map((N) => Math.min(1, 1 / Math.sqrt(N)) - 0.5);`;

/** Told before and after the visitor's code runs: what never ends can be ended from outside alone. */
export type Watch = (running: boolean) => void;

/**
 * A bonus of the visitor's: the body of a function of outcomes, counts and correct that returns B_i of each.
 * @throws UserError for code that is none
 */
export function ownMethod(code: string, watch: Watch = () => {}): ExplorationMethod {
  let body: (outcomes: unknown, counts: unknown, correct: unknown) => unknown;
  try {
    body = new Function("outcomes", "counts", "correct", `"use strict";\n${code}`) as typeof body;
  } catch (error) {
    throw new UserError(`your bonus is no JavaScript: ${(error as Error).message}`);
  }
  const signal = ({ outcomes, counts, correct }: Group) => {
    let values: unknown;
    watch(true);
    try {
      values = body([...outcomes], Array.from(counts), [...correct]);
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error);
      throw new UserError(`your bonus failed: ${what}`);
    } finally {
      watch(false);
    }
    return checked(values, outcomes.length);
  };
  const method = { name: "your own", readsHistory: true, parameters: {}, signal };
  // shows what is wrong before anything is trained
  method.signal(TRIAL);
  return method;
}

function checked(values: unknown, length: number): Float64Array {
  const isList = Array.isArray(values) || ArrayBuffer.isView(values);
  const list = isList ? Array.from(values as ArrayLike<unknown>) : [];
  if (list.length !== length) {
    const what = isList ? `${list.length} numbers` : String(values);
    throw new UserError(`your bonus must return a list of ${length} numbers here, not ${what}`);
  }
  const wrong = list.find((value) => typeof value !== "number" || !Number.isFinite(value));
  if (wrong !== undefined)
    throw new UserError(`your bonus returned ${String(wrong)}, no finite number`);
  return Float64Array.from(list as number[]);
}

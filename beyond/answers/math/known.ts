/**
 * An answer whose key is new but whose value is that of a known outcome joins it, so that the count of an
 * outcome and its reward speak of the same answers.
 */
import { mathTree } from "./canonical.ts";
import { areEqual, takeApart, type Value } from "./compare.ts";
import { PLAIN } from "./number.ts";

/** The key under which an answer counts: that of the first known outcome it equals, or its own. */
export function join(key: string, known: readonly string[]): string {
  if (known.includes(key)) return key;
  // two plain numbers with different keys are different
  const others = PLAIN.test(key) ? known.filter((other) => !PLAIN.test(other)) : known;
  const value = others.length > 0 ? valueOfKey(key) : null;
  if (value === null) return key;
  for (const other of others) {
    const theirs = valueOfKey(other);
    if (theirs && areEqual(value, theirs)) return other;
  }
  return key;
}

/** Values of keys seen lately: the known outcomes of a question are compared again and again. */
const recent = new Map<string, Value | null>();

function valueOfKey(key: string): Value | null {
  let value = recent.get(key);
  if (value === undefined) {
    const tree = mathTree(key);
    value = tree && takeApart(tree);
    if (recent.size >= 5_000) recent.clear();
    recent.set(key, value);
  }
  return value;
}

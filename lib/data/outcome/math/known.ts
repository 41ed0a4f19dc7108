import { mathTree } from "./canonical.ts";
import { areEqual } from "./checker.ts";
import { mayBeEqual, takeApart, type Value } from "./compare.ts";

const PLAIN = /^-?\d+(?:\/\d+)?$/;

/**
 * The outcomes known of each question. An answer whose key is new but whose value is that of a known
 * one joins it, so that the count of an outcome and its reward speak of the same answers.
 */
export class KnownOutcomes {
  private readonly questions = new Map<string, Map<string, Value | null>>();

  /** Adds an outcome of an earlier step; it is not compared with others. */
  remember(question: string, key: string): void {
    this.of(question).set(key, null);
  }

  /** The key under which the answer counts: its own, or that of an equal one seen before. */
  join(question: string, key: string): string | Promise<string> {
    const known = this.of(question);
    if (known.has(key)) return key;
    // two plain numbers with different keys are different
    const others = PLAIN.test(key)
      ? [...known.keys()].filter((k) => !PLAIN.test(k))
      : [...known.keys()];
    const value = others.length > 0 ? valueOfKey(key) : null;
    const candidates = value ? others.filter((other) => agrees(known, other, value)) : [];
    if (candidates.length > 0 && value) return this.check(question, key, value, candidates);
    known.set(key, value);
    return key;
  }

  private async check(question: string, key: string, value: Value, candidates: string[]) {
    const known = this.of(question);
    for (const candidate of candidates) {
      const other = known.get(candidate);
      if (other && (await areEqual(value, other))) return candidate;
    }
    known.set(key, value);
    return key;
  }

  private of(question: string): Map<string, Value | null> {
    let known = this.questions.get(question);
    if (!known) {
      known = new Map();
      this.questions.set(question, known);
    }
    return known;
  }
}

function valueOfKey(key: string): Value | null {
  const tree = mathTree(key);
  return tree && takeApart(tree);
}

function agrees(known: Map<string, Value | null>, other: string, value: Value): boolean {
  const theirs = known.get(other) ?? valueOfKey(other);
  known.set(other, theirs);
  return theirs !== null && mayBeEqual(theirs, value);
}

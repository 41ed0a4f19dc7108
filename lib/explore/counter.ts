/**
 * Chapter 1: what has been seen.
 *
 * The *outcome* of a completion is its final answer in canonical form; reasoning traces are endless,
 * outcomes are few, so outcomes are what exploration counts (Song, Kempe, Munos 2025,
 * arXiv 2509.06941). N(x, a) is the number of times outcome a was sampled for question x in
 * *earlier* steps: bonuses are read before the update of a step, `add` is called after it.
 */

/** A final answer in canonical form; `null` is a completion without a parsable answer. */
export type Outcome = string | null;

/** How often each outcome occurs among `outcomes`, in order of first appearance. */
export function tallyOutcomes(outcomes: Iterable<Outcome>): Map<Outcome, number> {
  const counts = new Map<Outcome, number>();
  for (const outcome of outcomes) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  return counts;
}

/**
 * The hash map N(x, a). `null` is an outcome of its own and collides with no string, not even
 * `"null"` or `""`.
 */
export class OutcomeCounter {
  readonly #questions = new Map<string, Map<Outcome, number>>();

  /** N(x, a): 0 for what was never seen. */
  count(question: string, outcome: Outcome): number {
    return this.#questions.get(question)?.get(outcome) ?? 0;
  }

  /** N(x, a_i) for each completion of a group: what the bonuses of this step are computed from. */
  counts(question: string, outcomes: readonly Outcome[]): number[] {
    return outcomes.map((outcome) => this.count(question, outcome));
  }

  /** Counts every completion of a group once. Call it after the update of the step. */
  add(question: string, outcomes: Iterable<Outcome>): void {
    for (const outcome of outcomes) this.addCount(question, outcome, 1);
  }

  /** N(x, a) += times: rebuilds the counter from stored counts. */
  addCount(question: string, outcome: Outcome, times: number): void {
    let counts = this.#questions.get(question);
    if (counts === undefined) {
      counts = new Map();
      this.#questions.set(question, counts);
    }
    counts.set(outcome, (counts.get(outcome) ?? 0) + times);
  }

  /** The outcomes seen for a question with their counts; empty for a question never seen. */
  outcomes(question: string): ReadonlyMap<Outcome, number> {
    return this.#questions.get(question) ?? new Map();
  }

  /** Completions counted for a question, those without an answer included. */
  total(question: string): number {
    let total = 0;
    for (const count of this.outcomes(question).values()) total += count;
    return total;
  }

  /** Different answers seen for a question; no answer (`null`) is not one of them. */
  distinct(question: string): number {
    const outcomes = this.outcomes(question);
    return outcomes.size - (outcomes.has(null) ? 1 : 0);
  }

  /** The questions seen, in order of first appearance. */
  questions(): IterableIterator<string> {
    return this.#questions.keys();
  }

  /** Every (x, a, N(x, a)), in order of first appearance: a loop over `addCount` copies the counter. */
  *[Symbol.iterator](): Generator<[question: string, outcome: Outcome, count: number]> {
    for (const [question, counts] of this.#questions) {
      for (const [outcome, count] of counts) yield [question, outcome, count];
    }
  }
}

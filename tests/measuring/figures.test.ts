import { describe, expect, test } from "bun:test";
import { quotient } from "../../beyond/measuring/bootstrap.ts";
import { distinctAnswers } from "../../beyond/measuring/estimators.ts";
import { type Figures, figuresOf } from "../../beyond/measuring/figures.ts";
import { EXACT_MAJORITY, majorityAtK } from "../../beyond/measuring/majority.ts";
import { type Tallied, tallyQuestion } from "../../beyond/measuring/tally.ts";
import { Random } from "../../lib/random.ts";
import { meanOverSubsets } from "./subsets.ts";

const RIGHT = "7";
const never = () => {
  throw new Error("no randomness is needed here");
};

/** Completions of a question from their outcomes; entropies differ, so that mixing them up shows. */
const completions = (...outcomes: (string | null)[]): Tallied[] =>
  outcomes.map((outcome, i) => ({
    outcome,
    correct: outcome === RIGHT,
    finished: outcome !== null,
    entropies: Array.from({ length: 1 + (i % 3) }, (_, t) => i + t / 4),
  }));

const questions = [
  completions("7", "3", "7", null, "3", "5", "3", "7", "1", "2"),
  completions("3", "3", "4", "4", null, null, "7", "9"),
  completions("1", "2", "2", null, "3", "1", "1", "2", "5"),
  completions("7", "7", "7", "7", "7", "7", "7", "7"),
  completions(null, null, null, null, null, null, null, null),
];
const tallies = questions.map((some, q) => tallyQuestion(`question ${q}`, RIGHT, some));

/** The share of the vote that goes to right answers: ties are shared, no answer has no vote. */
function vote(chosen: readonly Tallied[]): number {
  const votes = new Map<string, number>();
  for (const { outcome } of chosen) {
    if (outcome !== null) votes.set(outcome, (votes.get(outcome) ?? 0) + 1);
  }
  const most = Math.max(0, ...votes.values());
  const winners = [...votes].filter(([, count]) => count === most).map(([outcome]) => outcome);
  return winners.includes(RIGHT) ? 1 / winners.length : 0;
}

describe("maj@k", () => {
  test("equals the mean over every choice of k samples, ties shared", () => {
    for (const [q, some] of questions.entries()) {
      const ks = some.map((_, i) => i + 1);
      const exact = majorityAtK(tallies[q], ks, never);
      for (const k of ks) expect(exact[k - 1]).toBeCloseTo(meanOverSubsets(some, k, vote), 12);
    }
  });

  test("an outcome judged right only now and then wins in that share", () => {
    const some = completions("7", "7", "3").map((c, i) => ({ ...c, correct: i === 0 }));
    expect(majorityAtK(tallyQuestion("q", RIGHT, some), [3], never)).toEqual([0.5]);
  });

  test("beyond the exact size it is drawn: near the exact value of the same shares, the same twice", () => {
    const outcomes = (n: number) =>
      Array.from({ length: n }, (_, i) => (i % 8 < 3 ? RIGHT : i % 8 < 6 ? "3" : `${i % 8}`));
    const tally = (n: number) => tallyQuestion("q", RIGHT, completions(...outcomes(n)));
    const draw = () => majorityAtK(tally(8 * EXACT_MAJORITY), [1, 8], floats(5));
    const drawn = draw();
    const exact = majorityAtK(tally(EXACT_MAJORITY), [1, 8], never);
    for (const i of [0, 1]) expect(Math.abs(drawn[i] - exact[i])).toBeLessThan(0.1);
    expect(draw()).toEqual(drawn);
  });
});

const floats = (seed: number) => {
  const random = new Random(seed);
  return () => random.float();
};

describe("figures", () => {
  const ks = [1, 2, 4, 8];
  const figures = figuresOf(tallies, ks, never);
  const value = (name: string) => quotient((figures as Figures)[name]);
  const overSubsets = (k: number, of: (chosen: readonly Tallied[]) => number) =>
    questions.reduce((sum, some) => sum + meanOverSubsets(some, k, of), 0);
  const distinct = (chosen: readonly Tallied[]) => distinctAnswers(chosen.map((c) => c.outcome));
  const solved = (chosen: readonly Tallied[]) => (chosen.some(({ correct }) => correct) ? 1 : 0);

  test("pass@k and diff@k are means over questions and subsets", () => {
    for (const k of ks) {
      expect(value(`pass@${k}`)).toBeCloseTo(overSubsets(k, solved) / questions.length, 12);
      expect(value(`diff@${k}`)).toBeCloseTo(overSubsets(k, distinct) / questions.length, 12);
    }
  });

  test("the area under pass@k gives every doubling of k the same width", () => {
    const [one, two, four, eight] = ks.map((k) => value(`pass@${k}`));
    expect(value("area")).toBeCloseTo((one / 2 + two + four + eight / 2) / 3, 12);
    const of = (some: number[]) => quotient(figuresOf(tallies, some, never).area);
    expect(of([1, 8])).toBeCloseTo((one + eight) / 2, 12);
    expect(of([1, 2, 8])).toBeCloseTo((one / 2 + two / 2) / 3 + (two + eight) / 3, 12);
    expect(of([4])).toBe(four);
  });

  test("distinct answers in solved and in unsolved groups: over all groups of eight", () => {
    const inSolved = overSubsets(8, (chosen) => solved(chosen) * distinct(chosen));
    expect(value("distinct-solved@8")).toBeCloseTo(inSolved / overSubsets(8, solved), 12);
    const unsolved = (chosen: readonly Tallied[]) => 1 - solved(chosen);
    const inUnsolved = overSubsets(8, (chosen) => unsolved(chosen) * distinct(chosen));
    expect(value("distinct-unsolved@8")).toBeCloseTo(inUnsolved / overSubsets(8, unsolved), 12);
  });

  test("entropy is a mean over tokens, of right, wrong and all completions", () => {
    const all = questions.flat();
    const mean = (some: Tallied[]) => {
      const entropies = some.flatMap((c) => c.entropies);
      return entropies.reduce((a, b) => a + b, 0) / entropies.length;
    };
    expect(value("entropy")).toBeCloseTo(mean(all), 12);
    expect(value("entropy-correct")).toBeCloseTo(mean(all.filter((c) => c.correct)), 12);
    expect(value("entropy-incorrect")).toBeCloseTo(mean(all.filter((c) => !c.correct)), 12);
    expect(value("no-answer")).toBeCloseTo(12 / all.length, 12);
    expect(value("truncated")).toBeCloseTo(12 / all.length, 12);
    const tokens = all.reduce((sum, c) => sum + c.entropies.length, 0);
    expect(value("length")).toBeCloseTo(tokens / all.length, 12);
  });

  test("what is not defined is not zero", () => {
    const none = figuresOf([tallies[4]], [1], never);
    expect(quotient(none["entropy-correct"])).toBeNaN();
    expect(quotient(none["distinct-solved@8"])).toBeNaN();
  });
});

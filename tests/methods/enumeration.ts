/** Brute force over a policy so small that all groups it can draw are few: pi = softmax(theta) over single answers. */
import { expect } from "bun:test";
import type { AdvantageMethod, Group } from "../../lib/explore/method.ts";
import { groupOf } from "../fakes.ts";

export interface Toy {
  /** theta, by answer. */
  logits: readonly number[];
  rewards: readonly number[];
}

export const probabilities = ({ logits }: Toy): number[] => {
  const weights = logits.map(Math.exp);
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
};

/** The group of these answers. */
export function drawn(toy: Toy, answers: readonly number[], more: Partial<Group> = {}): Group {
  const pi = probabilities(toy);
  return groupOf({
    outcomes: answers.map(String),
    rewards: answers.map((a) => toy.rewards[a]),
    correct: answers.map((a) => toy.rewards[a] === 1),
    logprobs: answers.map((a) => [Math.log(pi[a])]),
    ...more,
  });
}

/** E[(1/n) sum_i A_i d log pi(y_i) / d theta] over all groups of n, each with its probability. */
export function expectedStep(
  { signal }: Pick<AdvantageMethod, "signal">,
  parameters: Readonly<Record<string, number>>,
  toy: Toy,
  n: number,
): number[] {
  const pi = probabilities(toy);
  const step = pi.map(() => 0);
  const draw = (answers: number[], chance: number) => {
    if (answers.length < n) {
      for (const [a, p] of pi.entries()) draw([...answers, a], chance * p);
      return;
    }
    const advantages = signal(drawn(toy, answers), parameters);
    for (const [i, answer] of answers.entries()) {
      for (let j = 0; j < step.length; j++) {
        step[j] += ((chance * advantages[i]) / n) * (Number(j === answer) - pi[j]);
      }
    }
  };
  draw([], 1);
  return step;
}

/** d f(pi) / d theta, by central differences. */
export function gradientOf(f: (pi: number[]) => number, toy: Toy): number[] {
  const h = 1e-5;
  return toy.logits.map((_, j) => {
    const moved = (by: number) =>
      f(probabilities({ ...toy, logits: toy.logits.map((x, i) => (i === j ? x + by : x)) }));
    return (moved(h) - moved(-h)) / (2 * h);
  });
}

/** All subsets of k of the places 0..n-1. */
export function subsets(n: number, k: number, from = 0): number[][] {
  if (k === 0) return [[]];
  const some: number[][] = [];
  for (let i = from; i <= n - k; i++) {
    for (const rest of subsets(n, k - 1, i + 1)) some.push([i, ...rest]);
  }
  return some;
}

export function close(actual: ArrayLike<number>, expected: readonly number[], digits = 9): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, digits);
}

export const times = (factor: number, of: readonly number[]) => of.map((x) => factor * x);

import { describe, expect, test } from "bun:test";
import { drawBandit, type Learner, learners, regretAt } from "../../beyond/bandit/bandit.ts";
import { Random } from "../../lib/random.ts";

/** Mean regret after each of `times` pulls over some drawn problems. */
function meanRegret(
  learner: Learner,
  arms: number,
  means: number[],
  times: number[],
  problems = 20,
): number[] {
  const sums = times.map(() => 0);
  for (let p = 0; p < problems; p++) {
    const random = new Random(p);
    const float = () => random.float();
    const regrets = regretAt(learner, drawBandit(arms, means, float), times, float);
    for (const [i, regret] of regrets.entries()) sums[i] += regret / problems;
  }
  return sums;
}

/** m outcomes, one of them `gap` better than the others. */
const outcomes = (m: number, gap: number) => [0.5 + gap, ...Array<number>(m - 1).fill(0.5)];

test("a problem has one arm with the best outcome, and the others' outcomes equally often", () => {
  const random = new Random(1);
  const { outcomes: phi } = drawBandit(9001, outcomes(10, 0.3), () => random.float());
  const counts = Array<number>(10).fill(0);
  for (const outcome of phi) counts[outcome]++;
  expect(counts[0]).toBe(1);
  for (const count of counts.slice(1)) expect(Math.abs(count - 1000)).toBeLessThan(150);
});

test("the same random numbers give the same regret, which never falls", () => {
  for (const learner of learners) {
    const play = () => meanRegret(learner, 50, outcomes(5, 0.3), [10, 100, 1000, 5000], 2);
    expect(play()).toEqual(play());
    expect(play()).toEqual(play().sort((a, b) => a - b));
  }
});

describe("regret against the number of arms", () => {
  const after = (learner: Learner, arms: number) =>
    meanRegret(learner, arms, outcomes(10, 0.3), [20_000])[0];

  test("of UCB over arms grows with it, to what pulling at random costs", () => {
    expect(after("arms", 100)).toBeGreaterThan(4 * after("arms", 20));
    expect(after("arms", 5000)).toBeGreaterThan(0.95 * 0.3 * 20_000);
  });

  test("of the generalising learner does not depend on it", () => {
    const ratio = after("generalising", 5000) / after("generalising", 50);
    expect(ratio).toBeGreaterThan(0.8);
    expect(ratio).toBeLessThan(1.25);
  });

  test("of UCB over outcomes grows by the search: half of the arms, a gap each", () => {
    const arms = 10_000;
    const [search] = [meanRegret("outcomes", arms, outcomes(10, 0.3), [20_000], 100)[0]];
    const expected = 0.3 * (arms / 2) + after("generalising", 50);
    expect(Math.abs(search / expected - 1)).toBeLessThan(0.2);
  });
});

test("where a gap can just be told, sqrt(m/T), regret without a search is on the order of sqrt(m T)", () => {
  const hardest = (m: number, horizon: number) =>
    meanRegret("generalising", 1000, outcomes(m, Math.sqrt(m / horizon)), [horizon])[0];
  const scaled = [
    [5, 2_000],
    [5, 32_000],
    [20, 8_000],
    [20, 32_000],
  ].map(([m, horizon]) => hardest(m, horizon) / Math.sqrt(m * horizon));
  for (const value of scaled) {
    expect(value).toBeGreaterThan(0.5);
    expect(value).toBeLessThan(1.1);
  }
});

import { describe, expect, test } from "bun:test";
import { drawQuestions, questionOrder, Random } from "../lib/random.ts";

const sorted = (items: number[]) => [...items].sort((a, b) => a - b);
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

describe("Random", () => {
  test("gives these numbers on every platform", () => {
    const random = new Random(42, 7);
    expect([random.uint32(), random.uint32(), random.uint32()]).toEqual([
      3606228227, 4176538792, 944090769,
    ]);
  });

  test("every part of the key matters, high words and signs too", () => {
    const keys = [[], [0], [0, 0], [1], [-1], [2 ** 32], [2 ** 32 + 1], [1, 0], [0, 1]];
    const firsts = keys.map((key) => new Random(...key).uint32());
    expect(new Set(firsts).size).toBe(keys.length);
  });

  test("int is uniform, and float lies in [0, 1)", () => {
    const random = new Random(3);
    const counts = new Array(7).fill(0);
    for (let i = 0; i < 70_000; i++) counts[random.int(7)]++;
    const chi2 = counts.reduce((sum, c) => sum + (c - 10_000) ** 2 / 10_000, 0);
    expect(chi2).toBeLessThan(22.5); // 6 degrees of freedom, p = 0.001
    for (let i = 0; i < 1000; i++) expect(random.float()).toBeWithin(0, 1);
  });

  test("chance and pick follow their probabilities", () => {
    const random = new Random(4);
    let hits = 0;
    for (let i = 0; i < 10_000; i++) hits += random.chance(0.2) ? 1 : 0;
    expect(Math.abs(hits - 2000)).toBeLessThan(160); // 4 standard deviations
    expect(new Set(upTo(100).map(() => random.pick(["a", "b", "c"])))).toEqual(
      new Set(["a", "b", "c"]),
    );
  });
});

describe("the order of questions", () => {
  test("a pass visits every question once, in an order of its own", () => {
    expect(sorted([...questionOrder(1, 0, 50)])).toEqual(upTo(50));
    expect(questionOrder(1, 0, 50)).toEqual(questionOrder(1, 0, 50));
    expect(questionOrder(1, 0, 50)).not.toEqual(questionOrder(1, 1, 50));
    expect(questionOrder(1, 0, 50)).not.toEqual(questionOrder(2, 0, 50));
  });

  test("draws continue from any place as if never interrupted", () => {
    const whole = drawQuestions(9, 0, 35, 10);
    expect([...drawQuestions(9, 0, 13, 10), ...drawQuestions(9, 13, 22, 10)]).toEqual(whole);
    expect(sorted(whole.slice(10, 20))).toEqual(upTo(10));
  });
});

test("drawing from one data set and then another mixes up neither", () => {
  const alone = [drawQuestions(5, 0, 4, 9), drawQuestions(5, 0, 4, 4), drawQuestions(6, 0, 4, 4)];
  expect(alone[1].toSorted()).toEqual([0, 1, 2, 3]);
  expect(drawQuestions(5, 0, 4, 9)).toEqual(alone[0]);
  expect(drawQuestions(5, 0, 4, 4)).toEqual(alone[1]);
  expect(drawQuestions(6, 0, 4, 4)).toEqual(alone[2]);
});

test("a shuffle reaches every order, those in which something stays in place among them", () => {
  const orders = new Map<string, number>();
  for (let seed = 0; seed < 600; seed++) {
    const order = new Random(seed).shuffle([0, 1, 2]).join("");
    orders.set(order, (orders.get(order) ?? 0) + 1);
  }
  expect([...orders.keys()].toSorted()).toEqual(["012", "021", "102", "120", "201", "210"]);
  for (const times of orders.values()) expect(Math.abs(times - 100)).toBeLessThan(40);
});

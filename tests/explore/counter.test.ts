import { expect, test } from "bun:test";
import { OutcomeCounter, tallyOutcomes } from "../../lib/explore/counter.ts";

test("counts outcomes per question, and null apart from every string", () => {
  const counter = new OutcomeCounter();
  expect(counter.count("x", "4")).toBe(0);
  counter.add("x", ["4", "4", null, "null", ""]);
  counter.add("y", ["4"]);
  counter.add("x", ["4", null]);
  expect(counter.counts("x", ["4", null, "null", "", "5"])).toEqual([3, 2, 1, 1, 0]);
  expect(counter.count("y", "4")).toBe(1);
  expect(counter.count("y", null)).toBe(0);
  expect(counter.total("x")).toBe(7);
  expect(counter.distinct("x")).toBe(3);
  expect(counter.total("z")).toBe(0);
  expect(counter.distinct("z")).toBe(0);
  expect([...counter.outcomes("y")]).toEqual([["4", 1]]);
  expect([...counter.questions()]).toEqual(["x", "y"]);
});

test("reading never adds a question or an outcome", () => {
  const counter = new OutcomeCounter();
  counter.count("x", "4");
  counter.outcomes("x");
  expect([...counter]).toEqual([]);
});

test("questions and outcomes named like object members are ordinary", () => {
  const counter = new OutcomeCounter();
  expect(counter.count("__proto__", "constructor")).toBe(0);
  counter.add("__proto__", ["constructor", "__proto__"]);
  expect(counter.counts("__proto__", ["constructor", "__proto__"])).toEqual([1, 1]);
});

test("a copy made by iteration counts the same and is independent", () => {
  const counter = new OutcomeCounter();
  counter.add("x", ["4", "5", "4", null]);
  counter.add("y", ["7"]);
  const copy = new OutcomeCounter();
  for (const [question, outcome, count] of counter) copy.addCount(question, outcome, count);
  expect([...copy]).toEqual([...counter]);
  copy.add("x", ["4"]);
  expect(counter.count("x", "4")).toBe(2);
  expect(copy.count("x", "4")).toBe(3);
});

test("a tally keeps null and the order of first appearance", () => {
  expect([...tallyOutcomes(["b", null, "a", "b"])]).toEqual([
    ["b", 2],
    [null, 1],
    ["a", 1],
  ]);
});

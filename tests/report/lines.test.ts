import { expect, test } from "bun:test";
import { apart, drawLines, shortened } from "../../beyond/report/lines.ts";

test("labels that are far enough apart stay where they are", () => {
  expect(apart([3, 1, 5], 1, [0, 10])).toEqual([3, 1, 5]);
});

test("labels that touch move apart about their mean, in their order, and not out of the chart", () => {
  expect(apart([2, 2, 9], 2, [0, 20])).toEqual([1, 3, 9]);
  expect(apart([1, 2, 2.5], 1, [0, 20]).map((y) => y.toFixed(3))).toEqual([
    "0.833",
    "1.833",
    "2.833",
  ]);
  expect(apart([10, 9.5, 9.9], 1, [0, 10])).toEqual([10, 8, 9]);
  expect(apart([0, 0, 0], 1, [0, 10])).toEqual([0, 1, 2]);
});

test("a name of any length stays beside its chart", async () => {
  expect(shortened("ucb-con, max-steps 12")).toBe("ucb-con, max-steps 12");
  const names = ["ucb-con,batch, learning-rate 0.0001", "ucb-con,batch, learning-rate 0.0003"];
  expect(names.map(shortened)).toEqual(["ucb-con,batc…te 0.0001", "ucb-con,batc…te 0.0003"]);
  const lines = names.map((name, i) => ({ name, points: [{ x: 1, y: i }] }));
  const svg = await drawLines({ id: "x", title: "x", xTitle: "x", lines }, new Map());
  for (const name of names) expect(svg).toContain(`>${shortened(name)}<`);
});

test("an axis says what its ticks are, to the last digit", async () => {
  const points = [
    { x: 1, y: 0.101 },
    { x: 2, y: 0.109 },
  ];
  const lines = [{ name: "a", points }];
  const svg = await drawLines({ id: "x", title: "x", xTitle: "x", lines }, new Map());
  expect(svg).toContain(">0.104<");
  expect(svg).not.toMatch(/="[^"]*\d\.\d{3}/);
});

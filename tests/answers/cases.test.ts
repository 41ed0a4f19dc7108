import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { mathKey } from "../../beyond/answers/math/canonical.ts";
import { openJudge } from "../../beyond/answers/outcome.ts";
import { isRight } from "../../scripts/answers.ts";
import { tryTraps } from "./traps.ts";

const folder = new URL("./cases/", import.meta.url);
const read = async (file: string) =>
  (await Bun.file(new URL(file, folder)).text())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

// answers of models and golds of data sets that were once judged wrongly
test.each(readdirSync(folder))("%s", async (file) => {
  for (const { gold, answer, equal } of await read(file)) {
    expect([gold, answer, await isRight(gold, answer)]).toEqual([gold, answer, equal]);
  }
});

test("traps of every kind: none is paid, and 98 % of the same answers are found equal", () => {
  const rates = tryTraps(4000, 3);
  let [same, missed] = [0, 0];
  for (const [kind, rate] of rates) {
    expect([kind, rate.paid]).toEqual([kind, []]);
    same += rate.same;
    missed += rate.missed.length;
  }
  expect(missed / same).toBeLessThan(0.02);
});

test("answers are one outcome or two whatever the right answer is", async () => {
  const pairs: [string, string, boolean][] = [
    ["30 percent", "30\\%", true],
    ["30\\%", "30", false],
    ["1011_2", "1011", false],
    ["y=2x+1", "2x+1", false],
    ["f(x)=2x+1", "2x+1", true],
    ["x=5", "5", true],
    ["4+23", "27", false],
    ["3\\cdot5\\cdot31", "31\\cdot 3\\cdot 5", true],
  ];
  for (const gold of ["7", "3/10", "30", "11", "2x+1", "27", "465", "x^2"]) {
    for (const [one, other, equal] of pairs) {
      const math = await openJudge("math");
      const row = { question: "q", answer: gold, line: 1 };
      const right = math.gold(row) as string;
      const texts = [one, other].map((text) => ({ text: `\\boxed{${text}}`, truncated: false }));
      const [a, b] = await math.judge(texts, { row, gold: right });
      expect([gold, one, other, a.outcome === b.outcome]).toEqual([gold, one, other, equal]);
      expect(a.correct).toBe(a.outcome === right);
      expect(b.correct).toBe(b.outcome === right);
    }
  }
});

test("a unit counts where the right answer names another one", async () => {
  const pairs: [string, string, boolean][] = [
    ["5 km", "5", true],
    ["5", "5 km", true],
    ["5 km", "5\\text{ kilometers}", true],
    ["5 km", "5 m", false],
    ["\\$25", "25\\text{ cents}", false],
    ["12\\text{ cm}^2", "12\\text{ cm}", false],
    ["12\\text{ cm}^2", "12\\text{ square centimeters}", true],
    ["6\\text{ m/s}", "6\\text{ km/h}", false],
    ["98.6^\\circ F", "98.6^\\circ C", false],
    ["18 eggs", "18", true],
  ];
  for (const [gold, answer, equal] of pairs) {
    expect([gold, answer, await isRight(gold, answer)]).toEqual([gold, answer, equal]);
  }
});

test("the examples of docs/outcomes.md", async () => {
  const page = await Bun.file(new URL("../../docs/outcomes.md", import.meta.url)).text();
  const section = page.slice(page.indexOf("## What is equal"), page.indexOf("## Measured"));
  const rows = section.split("\n").filter((line) => line.startsWith("| `"));
  expect(rows.length).toBeGreaterThan(40);
  const codes = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code);
  const said: string[] = [];
  for (const row of rows) {
    const [[gold], equal, different] = row.split(" | ").map(codes);
    for (const answer of [...equal, ...different]) {
      const right = await isRight(gold, answer);
      if (right !== equal.includes(answer)) said.push(`${gold} and ${answer}: ${right}`);
      const key = mathKey(answer);
      if (key !== null) expect([answer, mathKey(key)]).toEqual([answer, key]);
    }
  }
  expect(said).toEqual([]);
});

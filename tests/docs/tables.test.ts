/** Tables and pictures of docs/methods.md, and the README's first run, are what bench/results/ says. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { reading, resultTable } from "../../beyond/compare/telling.ts";
import { drawn, filled, kept, namesIn, PAGE, pictureAt } from "../../scripts/tables.ts";

const page = readFileSync(PAGE, "utf8");

test("tables of docs/methods.md", () => {
  expect(namesIn(page).length).toBeGreaterThan(1);
  expect(filled(page)).toBe(page);
});

test("pictures", async () => {
  for (const name of namesIn(page)) {
    expect(readFileSync(pictureAt(name), "utf8")).toBe(await drawn(name));
  }
});

test("README: the end of npm run train", () => {
  const readme = readFileSync("README.md", "utf8");
  const results = kept("first");
  expect(readme).toContain(resultTable("runs/first", results));
  expect(readme).toContain(reading(results) ?? "a sentence");
});

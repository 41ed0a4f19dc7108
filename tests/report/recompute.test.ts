import { afterAll, beforeAll, expect, spyOn, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { report } from "../../beyond/report/report.ts";
import { reportSettings } from "../../beyond/settings/arguments.ts";
import { makeRun } from "./made-run.ts";
import { halfInterval, heldOut, late, overRuns, solvedAfter } from "./recompute.ts";

const folder = mkdtempSync(join(tmpdir(), "rlexplore-recompute-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

const make = (name: string, explore: string, seed: number, settings = {}) =>
  makeRun(join(folder, "runs", name), { explore, seed, settings, steps: 24 });
let page: string;
let methods: Map<string, string[]>;
beforeAll(async () => {
  const seeds = [1, 2, 3];
  methods = new Map([
    ["none", seeds.map((seed) => make(`none-${seed}`, "none", seed))],
    ["ucb", seeds.map((seed) => make(`ucb-${seed}`, "ucb", seed))],
    // alike but for the temperature: no seed of the others
    ["batch, temperature 0.5", [make("cold", "batch", 1, { temperature: 0.5 })]],
    ["batch, temperature 1", [make("warm", "batch", 2, { temperature: 1 })]],
  ]);
  const quiet = spyOn(console, "log").mockImplementation(() => {});
  const output = join(folder, "report.html");
  await report(reportSettings([join(folder, "runs"), "-o", output]));
  quiet.mockRestore();
  page = readFileSync(output, "utf8");
});

const textOf = (html: string) => html.replace(/<[^>]*>/g, "").replaceAll("&amp;", "&");

/** The rows of the table that follows this text in the page, by name: each cell's numbers by its column's title. */
function tableAfter(text: string): Map<string, Record<string, number[]>> {
  const html = page.slice(page.indexOf(text));
  const [table] = /<table>.*?<\/table>/s.exec(html) ?? [""];
  const [heads, ...rows] = [...table.matchAll(/<tr>.*?<\/tr>/gs)].map(([row]) =>
    [...row.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/gs)].map(([, cell]) => cell),
  );
  return new Map(
    rows.map(([name, ...cells]) => [
      textOf(name),
      Object.fromEntries(
        cells.map((cell, i) => [
          textOf(heads[i + 1]),
          textOf(cell.replace("<small>", " "))
            .match(/-?\d+(\.\d+)?/g)
            ?.map(Number) ?? [],
        ]),
      ),
    ]),
  );
}

/** Expects each figure that the row has, to its last digit. */
function expectRow(row: Record<string, number[]> | undefined, expected: Record<string, number>) {
  const shared = Object.keys(expected).filter((name) => row?.[name]);
  expect(shared.length).toBeGreaterThan(2);
  for (const name of shared) {
    const digits = /distinct|solved/.test(name) ? 2 : 3;
    expect([name, row?.[name][0]]).toEqual([name, Number(expected[name].toFixed(digits))]);
  }
}

test("pass@k and distinct answers of each method are the means over its seeds, and of no other run", () => {
  const rows = tableAfter('id="pass"');
  for (const [name, runs] of methods) {
    const row = rows.get(name);
    expect(row?.seeds).toEqual([runs.length]);
    expectRow(
      row,
      overRuns(runs, (run) => heldOut(run, -1)),
    );
    // the interval is drawn by chance: around the mean, and no narrower than that over questions alone
    const [mean, low, high] = row?.["pass@1"] ?? [];
    expect(low < mean && mean < high).toBe(true);
  }
  // the base model, once a seed
  expectRow(
    rows.get("base"),
    overRuns(
      [1, 2, 3].map((s) => join(folder, "runs", `none-${s}`)),
      (run) => heldOut(run, 0),
    ),
  );
});

test("entropy and distinct answers, held out and in training", () => {
  const [held, training] = ["Held out, latest evaluation", "In the last quarter of the steps"].map(
    tableAfter,
  );
  for (const [name, runs] of methods) {
    expectRow(
      held.get(name),
      overRuns(runs, (run) => heldOut(run, -1)),
    );
    expectRow(training.get(name), overRuns(runs, late));
    if (runs.length < 2) continue;
    const [mean, low, high] = training.get(name)?.entropy ?? [];
    const half = halfInterval(runs.map((run) => late(run).entropy));
    expect(Math.abs(high - mean - half)).toBeLessThan(0.0011);
    expect(Math.abs(mean - low - half)).toBeLessThan(0.0011);
  }
});

test("the chart of solved questions: its data are those of the ledgers", () => {
  const [, csv] =
    /href="data:text\/csv;charset=utf-8,([^"]*)" download="sampling-solved/.exec(page) ?? [];
  const rows = decodeURIComponent(csv).trim().split("\n").slice(1);
  expect(rows.length).toBeGreaterThan(20);
  for (const row of rows) {
    const [, quoted, plain, x, y, low, high] =
      /^(?:"(.*?)"|(.*?)),(\d+),([\d.]+),([\d.]*),([\d.]*)$/.exec(row) ?? [];
    const shares = methods
      .get(quoted ?? plain)
      ?.map((run) => solvedAfter(run, Number(x))) as number[];
    expect(Number(y)).toBeCloseTo(shares.reduce((a, b) => a + b, 0) / shares.length, 12);
    if (low)
      expect([Number(low), Number(high)]).toEqual([Math.min(...shares), Math.max(...shares)]);
  }
});

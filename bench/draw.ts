// Draws what bench/results has measured as docs/performance/*.svg, from the newest results of each adapter:
//   node scripts/bun.js bench/draw.ts
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { drawLines, type Line, type LineChart } from "../beyond/report/lines.ts";
import { writeCharts } from "../beyond/report/output.ts";
import { inksFor } from "../beyond/report/theme.ts";
import type { Section } from "./tables.ts";

const RESULTS = join(import.meta.dir, "results");
const CHARTS = join(import.meta.dir, "..", "docs", "performance");

interface Results {
  adapter: { name: string };
  parts: Record<string, { sections: Section[] }>;
}

/** The newest results of each adapter, by its name; files are named <date>-<adapter>.json. */
function newestResults(): Map<string, Results> {
  const results = new Map<string, Results>();
  for (const file of readdirSync(RESULTS).sort()) {
    const adapter = /^\d{4}-\d\d-\d\d-(\w+)\.json$/.exec(file)?.[1];
    if (!adapter) continue;
    const found: Results = JSON.parse(readFileSync(join(RESULTS, file), "utf8"));
    const name = found.adapter.name;
    results.set(name.startsWith("llvmpipe") ? "lavapipe" : name.replace(/ Device.*/, ""), found);
  }
  return results;
}

const results = newestResults();

/** A line for each adapter that has this part: two columns of its first or `which` table. */
function lines(part: string, x: string, y: string, which = 0, name = (adapter: string) => adapter) {
  const measured = [...results].filter(([, { parts }]) => parts?.[part]);
  return measured.map(([adapter, { parts }]): Line => {
    const { rows } = parts[part].sections[which];
    const points = rows.flatMap((row) =>
      typeof row[x] === "number" && typeof row[y] === "number" ? [{ x: row[x], y: row[y] }] : [],
    );
    return { name: name(adapter), points };
  });
}

/** Lines of what is counted and not measured. */
const EXPECTED = ["tokens", "query-key pairs"];

const charts: LineChart[] = [
  ...["learning", "sampling"].map((kind) => ({
    id: `prefix-${kind}`,
    title: `How many times as long ${kind} takes with a copy of the prompt for each of 8 completions`,
    xTitle: "tokens of the prompt",
    xLog: 2 as const,
    zero: true,
    lines: [
      ...lines("prefix", "prompt", `${kind}, times`),
      ...EXPECTED.flatMap((what) =>
        lines("prefix", "prompt", `${what}, times`, 0, () => what).slice(0, 1),
      ),
    ],
  })),
  {
    id: "long-run",
    title: "Milliseconds a step takes over 2,000 steps, medians of 100",
    xTitle: "step",
    zero: true,
    lines: lines("long", "step", "ms", 1),
  },
  {
    id: "sizes",
    title: "Tokens a second by the size of the model",
    xTitle: "million parameters",
    xLog: 10,
    yLog: true,
    format: "~s",
    lines: [
      ...lines("sizes", "million parameters", "decoded tokens/s", 0, (name) => `sampling, ${name}`),
      ...lines("sizes", "million parameters", "learned tokens/s", 0, (name) => `learning, ${name}`),
    ],
  },
];

const drawings = new Map<string, string>();
for (const chart of charts) {
  const drawn = chart.lines.filter(({ points }) => points.length > 0);
  if (drawn.length === 0) continue;
  const inks = inksFor(drawn.map(({ name }) => name).filter((name) => !EXPECTED.includes(name)));
  for (const name of EXPECTED) inks.set(name, { colour: "var(--base)", dash: [5, 3] });
  drawings.set(chart.id, await drawLines(chart, inks));
}
writeCharts(CHARTS, drawings);
console.log(`wrote ${[...drawings.keys()].join(", ")} to ${CHARTS}`);

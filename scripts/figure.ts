// Draws docs/effect.svg from bench/results/effect.json: pass@k against k on the held-out questions, for
// the base model and each method, with the range over seeds. Run as `bun scripts/figure.ts`.
import { writeFileSync } from "node:fs";
import * as vega from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import effect from "../bench/results/effect.json" with { type: "json" };

interface Point {
  method: string;
  k: number;
  value: number;
  low: number;
  high: number;
}

const NAMES: Record<string, string> = {
  none: "plain GRPO",
  "ucb-con": "GRPO + ucb-con",
  batch: "GRPO + batch",
};

const points: Point[] = effect.base.passAtK.map(([k, value]) => ({
  method: "base model",
  k,
  value,
  low: value,
  high: value,
}));
for (const method of new Set(effect.results.map((result) => result.method))) {
  const runs = effect.results.filter((result) => result.method === method);
  for (const [i, [k]] of effect.base.passAtK.entries()) {
    const values = runs.map(({ trained }) => trained.passAtK[i][1]);
    points.push({
      method: NAMES[method] ?? method,
      k,
      value: values.reduce((a, b) => a + b, 0) / values.length,
      low: Math.min(...values),
      high: Math.max(...values),
    });
  }
}

const x = {
  field: "k",
  type: "quantitative",
  scale: { type: "log", base: 2 },
  axis: { values: effect.base.passAtK.map(([k]) => k), format: "d", grid: false },
  title: "k",
} as const;
const color = {
  field: "method",
  type: "nominal",
  title: null,
  sort: ["base model", ...Object.values(NAMES)],
  scale: {
    domain: ["base model", ...Object.values(NAMES)],
    range: ["#888888", "#d1495b", "#00798c", "#edae49"],
  },
  legend: { orient: "bottom-right", offset: 8 },
} as const;
const spec: TopLevelSpec = {
  width: 520,
  height: 320,
  background: "white",
  padding: 12,
  data: { values: points },
  layer: [
    {
      mark: { type: "area", opacity: 0.2 },
      encoding: {
        x,
        y: { field: "low", type: "quantitative" },
        y2: { field: "high" },
        color,
      },
    },
    {
      mark: { type: "line", point: true },
      encoding: {
        x,
        y: {
          field: "value",
          type: "quantitative",
          title: "pass@k, held-out questions",
          scale: { zero: false },
        },
        color,
      },
    },
  ],
  config: { font: "sans-serif", view: { stroke: null } },
};

const view = new vega.View(vega.parse(compile(spec).spec), { renderer: "none" });
writeFileSync("docs/effect.svg", `${await view.toSVG()}\n`);

import type { TopLevelSpec } from "vega-lite";
import { draw } from "./draw.ts";
import { CLASSES, cellId, rowLabel } from "./shades.ts";
import type { Row, TreasureMap } from "./treasure.ts";

const WIDTH = 420;
const ROW = 17;
const TOP = 6;
const BOTTOM = 38;

/**
 * Draws a map: the colour of a cell is N(x, a) after its visit, a dot stands where the answer was given in
 * that visit, larger where it was given more often. Each cell links to `#<id>`.
 */
export function drawMap(
  map: Pick<TreasureMap, "method" | "steps" | "cells">,
  rows: readonly Row[],
  id: string,
): Promise<string> {
  // two answers may be clipped to the same label: rows are told apart by their number
  const keys = rows.map((_, row) => String(row));
  const left = Math.min(120, 14 + 6.6 * Math.max(...rows.map((row) => rowLabel(row).length)));
  const values = map.cells.map((cell) => {
    const count = cell.before + cell.places.length;
    const shade = CLASSES.findLastIndex((least) => count >= least) + 1;
    return {
      row: String(cell.row),
      column: cell.column,
      shade: `${rows[cell.row].kind === "right" ? "r" : "w"}${shade}`,
      now: cell.places.length,
      dark: shade >= 4,
      link: cell.places.length > 0 ? `#${cellId(id, cell)}` : null,
    };
  });
  const shades = ["w", "r"].flatMap((kind) => CLASSES.map((_, i) => `${kind}${i + 1}`));
  const most = Math.max(1, ...values.map(({ now }) => now));
  const height = ROW * rows.length;
  const every = Math.ceil(map.steps.length / 7);
  const labels = rows.map(rowLabel);
  const right = rows.flatMap(({ kind }, row) => (kind === "right" ? [String(row)] : []));
  const x = {
    field: "column",
    type: "ordinal",
    title: "training step",
    scale: { paddingInner: 0.08, paddingOuter: 0 },
    axis: {
      labelAngle: 0,
      values: map.steps.flatMap((_, i) => (i % every === 0 ? [i] : [])),
      labelExpr: `${JSON.stringify(map.steps)}[datum.value]`,
      domain: false,
    },
  };
  const y = {
    field: "row",
    type: "nominal",
    title: null,
    scale: { domain: keys, paddingInner: 0.1, paddingOuter: 0 },
    axis: {
      labelExpr: `${JSON.stringify(labels)}[datum.value]`,
      labelColor: {
        condition: {
          test: `indexof(${JSON.stringify(right)}, datum.value) >= 0`,
          value: "var(--right)",
        },
        value: "var(--ink2)",
      },
      labelLimit: 200,
      labelFontSize: 11.5,
    },
  };
  const spec = {
    width: WIDTH - left - 6,
    height,
    autosize: "none",
    padding: { left, right: 6, top: TOP, bottom: BOTTOM },
    data: { values },
    encoding: { x, y, href: { field: "link" } },
    layer: [
      {
        mark: "rect",
        encoding: {
          fill: {
            field: "shade",
            type: "nominal",
            legend: null,
            scale: { domain: shades, range: shades.map((shade) => `var(--${shade})`) },
          },
        },
      },
      {
        transform: [{ filter: "datum.now > 0" }],
        mark: { type: "circle", opacity: 1 },
        encoding: {
          size: {
            field: "now",
            type: "quantitative",
            legend: null,
            scale: { type: "linear", domain: [0, most], range: [8, 62] },
          },
          fill: {
            condition: { test: "datum.dark", value: "var(--paper)" },
            value: "var(--ink)",
          },
        },
      },
    ],
  };
  return draw(spec as unknown as TopLevelSpec, `answers of ${map.method} against training steps`);
}

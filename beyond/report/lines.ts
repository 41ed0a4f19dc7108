import type { TopLevelSpec } from "vega-lite";
import { draw } from "./draw.ts";
import type { Ink } from "./theme.ts";

/** A point of a line, with the band around it where there is one. */
export interface Point {
  x: number;
  y: number;
  low?: number;
  high?: number;
}

export interface Line {
  name: string;
  points: readonly Point[];
}

/** A chart of lines, each named at the right, at the height where it ends. */
export interface LineChart {
  id: string;
  /** What the vertical axis shows: it stands above the chart. */
  title: string;
  xTitle: string;
  /** Powers of this base along the horizontal axis. */
  xLog?: 2 | 10;
  yLog?: boolean;
  /** The vertical axis begins at 0. */
  zero?: boolean;
  /** A d3 format of the vertical axis. */
  format?: string;
  lines: readonly Line[];
}

const WIDTH = 420;
const HEIGHT = 270;
const LEFT = 44;
const TOP = 10;
const BOTTOM = 38;
const LABEL = 12;

/** Draws the lines, in the colours of `inks` by name. */
export function drawLines(chart: LineChart, inks: ReadonlyMap<string, Ink>): Promise<string> {
  const lines = chart.lines.filter(({ points }) => points.length > 0);
  const longest = Math.max(...lines.map(({ name }) => shortened(name).length));
  const right = Math.min(170, 12 + 8.2 * longest);
  const height = HEIGHT - TOP - BOTTOM;
  const xs = lines.flatMap(({ points }) => points.map(({ x }) => x));
  const [least, most] = yDomain(chart, lines);
  const scaled = (y: number) => (chart.yLog ? Math.log10(y) : y);
  const perLabel = ((scaled(most) - scaled(least)) * (LABEL + 1)) / height;
  const ends = apart(
    lines.map(({ points }) => scaled(points[points.length - 1].y)),
    perLabel,
    [scaled(least), scaled(most)],
  );
  const labels = lines.map(({ name }, i) => ({
    name,
    label: shortened(name),
    // a line that ends early is named at the edge too, or names would lie across other lines
    x: Math.max(...xs),
    y: chart.yLog ? 10 ** ends[i] : ends[i],
  }));
  const few = lines.every(({ points }) => points.length <= 12);
  const values = lines.flatMap(({ name, points }) => points.map((point) => ({ name, ...point })));
  const color = {
    field: "name",
    type: "nominal",
    legend: null,
    scale: {
      domain: lines.map(({ name }) => name),
      range: lines.map(({ name }) => inks.get(name)?.colour ?? "var(--ink)"),
    },
  };
  const dashes = lines.map(({ name }) => inks.get(name)?.dash ?? []);
  const x = {
    field: "x",
    type: "quantitative",
    title: chart.xTitle,
    scale: chart.xLog
      ? { type: "log", base: chart.xLog, domain: [Math.min(...xs), Math.max(...xs)], nice: false }
      : { domain: [Math.min(0, ...xs), Math.max(...xs)], nice: false },
    axis: xAxis(chart, xs),
  };
  const y = {
    field: "y",
    type: "quantitative",
    title: null,
    scale: { domain: [least, most], nice: false, ...(chart.yLog && { type: "log" }) },
    axis: {
      ...(chart.yLog ? { values: powersOfTen(least, most) } : { tickCount: 5 }),
      ...(chart.format && { format: chart.format }),
    },
  };
  const spec = {
    width: WIDTH - LEFT - right,
    height,
    autosize: "none",
    padding: { left: LEFT, right, top: TOP, bottom: BOTTOM },
    data: { values },
    encoding: { x },
    layer: [
      {
        mark: { type: "area", opacity: 0.14 },
        transform: [{ filter: "isValid(datum.low)" }],
        encoding: { y: { ...y, field: "low" }, y2: { field: "high" }, color },
      },
      {
        mark: { type: "line", strokeWidth: 1.8, ...(few && { point: { size: 22 } }) },
        encoding: {
          y,
          color,
          strokeDash: {
            field: "name",
            type: "nominal",
            legend: null,
            scale: { domain: color.scale.domain, range: dashes },
          },
        },
      },
      {
        data: { values: labels },
        mark: { type: "text", align: "left", dx: 7, fontSize: LABEL, fontWeight: 600 },
        encoding: { y, color, text: { field: "label" } },
      },
    ],
  };
  const [from, to] = [chart.xLog ? Math.min(...xs) : Math.min(0, ...xs), Math.max(...xs)];
  // where the page's script finds a value
  const plot = { left: LEFT, top: TOP, width: spec.width, height, x: [from, to], log: chart.xLog };
  return draw(spec as unknown as TopLevelSpec, chart.title, {
    "data-plot": JSON.stringify(plot),
    "data-title": chart.xTitle,
    tabindex: "0",
  });
}

/** Characters of a name that there is room for beside a chart. */
const ROOM = 22;

/** A name as it stands beside a chart: of a long one its beginning and its end. */
export const shortened = (name: string): string =>
  name.length <= ROOM ? name : `${name.slice(0, ROOM - 10)}…${name.slice(-9)}`;

function xAxis({ xLog }: LineChart, xs: readonly number[]) {
  if (xLog === 2) return { values: [...new Set(xs)], format: "d", labelOverlap: true };
  if (xLog === 10) return { values: powersOfTen(Math.min(...xs), Math.max(...xs)), format: "~s" };
  return { tickCount: 6, format: "~s" };
}

function powersOfTen(least: number, most: number): number[] {
  const [from, to] = [Math.ceil(Math.log10(least)), Math.floor(Math.log10(most))];
  return Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i));
}

/** From the least to the greatest value with its band, and a little air. */
function yDomain({ zero, yLog }: LineChart, lines: readonly Line[]): [number, number] {
  const all = lines.flatMap(({ points }) =>
    points.flatMap(({ y, low = y, high = y }) => [y, low, high]),
  );
  const least = Math.min(...all);
  const most = Math.max(...all);
  if (yLog) return [least / 1.2, most * 1.2];
  const air = 0.05 * (most - least) || Math.abs(most) * 0.1 || 1;
  const bottom = zero || (least >= 0 && least < air) ? Math.min(0, least) : least - air;
  return [bottom, most + air];
}

/**
 * Moves values that are closer than `gap` apart, in their order and as little as it takes, within the bounds if there is room:
 * neighbours that touch move as one, about their mean.
 */
export function apart(
  values: readonly number[],
  gap: number,
  [floor, top]: readonly [number, number],
): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]);
  let heaps: { members: number[]; bottom: number }[] = [];
  for (const i of order) {
    let heap = { members: [i], bottom: Math.min(values[i], top) };
    for (let below = heaps.at(-1); below; below = heaps.at(-1)) {
      if (below.bottom + below.members.length * gap <= heap.bottom) break;
      heaps = heaps.slice(0, -1);
      const members = [...below.members, ...heap.members];
      const mean = members.reduce((sum, m) => sum + values[m], 0) / members.length;
      const height = (members.length - 1) * gap;
      heap = { members, bottom: Math.min(Math.max(mean - height / 2, floor), top - height) };
    }
    heaps.push(heap);
  }
  const placed = [...values];
  for (const { members, bottom } of heaps) {
    for (const [rank, i] of members.entries()) placed[i] = bottom + rank * gap;
  }
  return placed;
}

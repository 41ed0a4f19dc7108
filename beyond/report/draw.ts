import type { TopLevelSpec } from "vega-lite";
import { FONT, themeCss } from "./theme.ts";

/** What every chart looks like: no frame, pale horizontal lines, small quiet labels. */
const config = {
  font: FONT,
  view: { stroke: null },
  axis: {
    labelFontSize: 11,
    titleFontSize: 11,
    labelColor: "var(--ink2)",
    titleColor: "var(--ink2)",
    titleFontWeight: "normal",
    domainColor: "var(--rule)",
    tickColor: "var(--rule)",
    gridColor: "var(--grid)",
    labelFlush: false,
  },
  axisY: { domain: false, ticks: false, labelPadding: 6 },
  axisX: { grid: false, tickSize: 4 },
} as const;

/**
 * Draws a chart as SVG text whose colours are the variables of `theme.ts`; it takes the width of the
 * place it stands in. vega is loaded at the first drawing, so that other commands do not wait for it.
 *
 * @param label what the chart shows, for those who cannot see it
 * @param attributes more of the drawing's own, by name
 */
export async function draw(
  spec: TopLevelSpec,
  label: string,
  attributes: Record<string, string> = {},
): Promise<string> {
  const [vega, { compile }] = await Promise.all([import("vega"), import("vega-lite")]);
  const { spec: compiled } = compile({
    ...spec,
    background: "transparent",
    config,
  } as TopLevelSpec);
  const view = new vega.View(vega.parse(compiled), { renderer: "none", logLevel: vega.Error });
  const svg = await view.toSVG();
  view.finalize();
  const own = Object.entries(attributes)
    .map(([name, value]) => ` ${name}="${escapeHtml(value)}"`)
    .join("");
  return slim(svg)
    .replace(
      /<svg [^>]*?viewBox="([^"]*)"[^>]*>/,
      (_, box) => `<svg xmlns="${SVG}" viewBox="${box}" role="img"${own}>`,
    )
    .replace(/^(<svg [^>]*>)/, (start) => `${start}<title>${escapeHtml(label)}</title>`);
}

/** Leaves out what no reader sees: roles of each mark, links to nowhere, digits beyond a hundredth of a pixel. */
const slim = (svg: string) =>
  svg
    .replace(/ (aria-\w+|role)="[^"]*"/g, "")
    .replace(/<a xlink:href="null">(.*?)<\/a>/g, "$1")
    .replaceAll("xlink:href", "href")
    .replace(/<[^>]*>/g, (tag) => tag.replace(/(\.\d\d)\d+/g, "$1"));

const SVG = "http://www.w3.org/2000/svg";

/** The drawing as a file of its own, which brings its colours with it. */
export function standalone(svg: string): string {
  const [, width, height] = svg.match(/viewBox="\S+ \S+ (\S+) (\S+)"/) ?? [];
  const style = `<style>${themeCss()} svg{background:var(--paper)}</style>`;
  return `${svg.replace("<svg ", `<svg width="${width}" height="${height}" `).replace("</title>", `</title>${style}`)}\n`;
}

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

export const escapeHtml = (text: string) => text.replace(/[&<>"]/g, (c) => ENTITIES[c]);

import { escapeHtml } from "./draw.ts";
import css from "./page.css" with { type: "text" };
import script from "./page-script.js.txt" with { type: "text" };
import { themeCss } from "./theme.ts";

/** A part of the page that is drawn, and in a live view replaced, as one. */
export interface Section {
  id: string;
  html: string;
}

/** What a live page has besides. */
export interface Live {
  css: string;
  script: string;
}

/** One self-contained page: nothing in it is fetched from anywhere. */
export function pageOf(title: string, sections: readonly Section[], live?: Live): string {
  const main = sections.map(({ id, html }) => `<div id="${id}">${html}</div>`).join("\n");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="data:,">
<style>${themeCss()}
${css}${live?.css ?? ""}</style>
</head>
<body>
<main>
${main}
</main>
<script>${script}</script>${live ? `\n<script>${live.script}</script>` : ""}
</body>
</html>
`;
}

/** A chart under its title, with its data behind a link. */
export function figureOf(id: string, title: string, svg: string, csv: string): string {
  const text = encodeURI(csv).replace(/[#&']/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
  const href = `data:text/csv;charset=utf-8,${text}`;
  const link = `<small><a href="${href}" download="${id}.csv">data (CSV)</a></small>`;
  return `<figure id="${id}"><figcaption>${escapeHtml(title)}${link}</figcaption>${svg}</figure>`;
}

/** Rows of a table as CSV (RFC 4180). */
export function csvOf(head: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const field = (value: unknown) => {
    const text = value === undefined || value === null ? "" : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [head, ...rows].map((row) => `${row.map(field).join(",")}\n`).join("");
}

/** "1 run", "2 runs". */
export const countOf = (n: number, one: string) => `${n} ${one}${n === 1 ? "" : "s"}`;

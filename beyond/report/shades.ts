/** How a treasure map says things: the classes of its shades, the labels of its rows. */
import type { Cell, Row } from "./treasure.ts";

/** The least N of each class; the next begins where 1/sqrt(N) has fallen by 1/sqrt(2). */
export const CLASSES = [1, 2, 4, 8, 16, 32];

/** The name of a cell, which its link and its completions share. */
export const cellId = (map: string, { column, row }: Cell) => `${map}-${column}-${row}`;

/** At most `length` characters of a text. */
export const clip = (text: string, length: number) =>
  text.length > length ? `${text.slice(0, length - 1)}…` : text;

/** A row's label; the star marks the right answer. */
export const rowLabel = ({ label, kind }: Row) =>
  `${kind === "right" ? "★ " : ""}${clip(label.replace(/\s+/g, " "), 16)}`;

/** What the shades mean. */
export function scaleHtml(): string {
  const names = CLASSES.map((least, i) => {
    const next = CLASSES[i + 1];
    if (next === undefined) return `${least} or more`;
    return next - least === 1 ? String(least) : `${least}–${next - 1}`;
  });
  const swatch = (kind: string, i: number) => `<i style="background:var(--${kind}${i + 1})"></i>`;
  const spans = names.map((name, i) => `<span>${swatch("w", i)}${swatch("r", i)}${name}</span>`);
  return `<div class="scale"><span>times seen</span>${spans.join("")}<span>★ the right answer</span></div>`;
}

export const timesOf = (n: number) => (n === 1 ? "once" : n === 0 ? "never" : `${n} times`);

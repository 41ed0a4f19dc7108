import { escapeHtml } from "./draw.ts";
import { drawIndexes } from "./draw-index.ts";
import { drawMap } from "./heat.ts";
import type { Material } from "./material.ts";
import { csvOf, figureOf } from "./page.ts";
import type { ReportedRun } from "./runs.ts";
import { cellId, clip, rowLabel, scaleHtml, timesOf } from "./shades.ts";
import {
  mapQuestion,
  type QuestionMaps,
  type TreasureMap,
  tellingQuestions,
  whenOf,
} from "./treasure.ts";

/** Characters of completions in a page, so that it stays light; each text is cut at `TEXT`. */
const BUDGET = 600_000;
const TEXT = 700;

/** The completions behind a cell, as the page's script reads them. */
interface CellTexts {
  title: string;
  note: string;
  texts: [text: string, times: number][];
}

/** The treasure maps of the telling questions, or of those asked for. */
export async function mapSection(material: Material): Promise<string> {
  const { methods, options } = material;
  const indexOf = drawIndexes();
  const telling = tellingQuestions(methods, options.questions, indexOf);
  const title = "<h2>The treasure map</h2>";
  if (telling.length === 0) {
    return `<section>${title}<p>The ledger holds no completions yet.</p></section>`;
  }
  const cells: Record<string, CellTexts> = {};
  const budget = { left: BUDGET };
  const parts: string[] = [];
  for (const [q, one] of telling.entries()) {
    const maps = mapQuestion(one, methods, options.gold.get(one.question) ?? null, indexOf);
    const figures: string[] = [];
    for (const [m, map] of maps.maps.entries()) {
      const id = `q${q}-${m}`;
      const svg = await drawMap(map, maps.rows, id);
      const chart = `map-q${q}-${map.method.replace(/[^\w-]+/g, "-")}`;
      options.onChart?.(chart, svg);
      const seed = map.run.settings.seed;
      const name = seed === undefined ? map.method : `${map.method}, seed ${seed}`;
      figures.push(figureOf(chart, name, svg, csvOfMap(map, maps)));
      Object.assign(cells, textsOf(map, maps, id, budget));
    }
    parts.push(questionHtml(q, maps, figures));
  }
  const tabs = telling.map(
    ({ question, why }) =>
      `<button type="button">${escapeHtml(clip(question, 48))}<small>${escapeHtml(why)}</small></button>`,
  );
  const json = JSON.stringify(cells).replaceAll("<", "\\u003c");
  const chosen = options.questions
    ? "The questions are those asked for."
    : "Shown are the most extreme questions of each kind; <code>--question</code> shows others.";
  return `<section>${title}
<p>Which answers a run gave to one question, and when. A cell's colour is N(x, a), how often the answer had been seen by then; a dot means that it was given in this visit. A settled method stays in a row, a searching one reaches new rows. Click a dot for its completions. ${chosen}</p>
<div class="tabs">${tabs.join("")}</div>
${scaleHtml()}
${parts.join("\n")}
<script type="application/json" id="completions">${json}</script></section>`;
}

function questionHtml(q: number, maps: QuestionMaps, figures: readonly string[]): string {
  const unsolved = maps.solved ? "" : " No run found the right answer.";
  return `<div class="question map"><h3>${escapeHtml(maps.question)}</h3>
<p class="note">${escapeHtml(maps.why)}.${unsolved}</p>
<div class="charts">${figures.join("\n")}</div>
<div class="cell" data-for="q${q}" hidden></div></div>`;
}

function csvOfMap({ cells, steps }: TreasureMap, { rows }: QuestionMaps): string {
  const lines = cells.map(({ column, row, before, places }) => [
    steps[column],
    rows[row].label,
    rows[row].kind === "right",
    before,
    places.length,
  ]);
  return csvOf(["step", "answer", "right", "seen before", "given now"], lines);
}

function textsOf(
  { method, run, cells }: TreasureMap<ReportedRun>,
  { rows }: QuestionMaps,
  id: string,
  budget: { left: number },
): Record<string, CellTexts> {
  const found: Record<string, CellTexts> = {};
  for (const cell of cells) {
    const { row, before, places } = cell;
    if (places.length === 0) continue;
    const times = new Map<string, number>();
    for (const text of run.rollouts.completions(places)) {
      const cut = clip(text, TEXT);
      times.set(cut, (times.get(cut) ?? 0) + 1);
    }
    const texts = [...times].filter(([text]) => {
      budget.left -= text.length;
      return budget.left > 0;
    });
    found[cellId(id, cell)] = {
      title: `${method}: ${rowLabel(rows[row])}, ${whenOf(run, cell)}`,
      note: `given ${timesOf(places.length)} here, seen ${timesOf(before)} before${texts.length < times.size ? "; some texts are left out to keep the page light" : ""}`,
      texts,
    };
  }
  return found;
}

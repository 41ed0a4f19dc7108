/** The treasure map of a question: which answers a model gave to it, and when. */
import { useEffect, useRef, useState } from "preact/hooks";
import { drawIndexes } from "../../beyond/report/draw-index.ts";
import { rowLabel, scaleHtml, timesOf } from "../../beyond/report/shades.ts";
import {
  type Cell,
  type Mapped,
  type MappedRun,
  mapQuestion,
  type QuestionMaps,
  type TreasureMap,
  tellingQuestions,
  whenOf,
} from "../../beyond/report/treasure.ts";
import { tallyOutcomes } from "../../lib/explore/counter.ts";
import type { Asked } from "../messages.ts";
import { useDrawing } from "./chart.tsx";
import type { Log, SideState } from "./log.ts";

interface SideRun extends MappedRun {
  rollouts: Log;
}

/** Of all logs that are shown, which only grow. */
const indexOf = drawIndexes();

interface MapProps {
  /** Of its heading. */
  id: string;
  sides: readonly SideState[];
  names: readonly string[];
  /** Those whose right answers are known. */
  questions: readonly Asked[];
}

export function MapOf({ id, sides, names, questions }: MapProps) {
  const [chosen, choose] = useState("");
  const [opened, setOpened] = useState<Opened | null>(null);
  const methods: Mapped<SideRun>[] = sides.map(({ log }, i) => ({
    name: names[i],
    runs: [{ settings: {}, rollouts: log }],
  }));
  const known = [...new Set(sides.flatMap(({ log }) => log.questions))].sort();
  const question = known.includes(chosen) ? chosen : "";
  const telling = question === "" ? tellingQuestions(methods, null, indexOf) : [];
  const [shown = { question, why: "" }] = telling;
  const gold = questions.find(({ text }) => text === shown.question)?.gold ?? null;
  if (known.length === 0) return null;
  const maps = mapQuestion(shown, methods, gold, indexOf);
  return (
    <section aria-labelledby={id} class="map">
      <h2 id={id}>The treasure map</h2>
      <p>
        Which answers a model gave to one question, and when. A cell's colour is N(x, a), how often
        the answer had been seen by then; a dot means that it was given in that step. A settled
        method stays in a row, a searching one reaches new rows. A dot shows its completions.
      </p>
      <div class="choose">
        <label>
          <span>Question</span>
          <select value={question} onChange={({ currentTarget }) => choose(currentTarget.value)}>
            <option value="">the hardest that was solved</option>
            {known.map((text) => (
              <option key={text} value={text}>
                {text}
              </option>
            ))}
          </select>
        </label>
      </div>
      <p class="asked">
        <strong>{shown.question}</strong>{" "}
        <small>
          {gold !== null && `right: ${gold}`}
          {shown.why && `, ${shown.why}`}
        </small>
      </p>
      {/* our own markup */}
      <div dangerouslySetInnerHTML={{ __html: scaleHtml() }} />
      <div class="charts">
        {maps.maps.map((map) => (
          <Drawn key={map.method} map={map} maps={maps} open={setOpened} />
        ))}
      </div>
      {opened && (
        <div class="cell" role="status">
          <h3>{opened.title}</h3>
          <p class="note">{opened.note}</p>
          {opened.texts.map(([text, times]) => (
            <pre key={text}>
              {times > 1 && <b>{times} × </b>}
              {text}
            </pre>
          ))}
        </div>
      )}
    </section>
  );
}

const NOTHING = { map: { steps: [] as number[], cells: [] as Cell[] }, rows: [] };

interface DrawnProps {
  map: TreasureMap<SideRun>;
  maps: QuestionMaps<SideRun>;
  open: (opened: Opened) => void;
}

function Drawn({ map, maps: { question, rows }, open }: DrawnProps) {
  const { method, run, steps, cells } = map;
  const samples = cells.reduce((sum, { places }) => sum + places.length, 0);
  const drawn = useDrawing({ map: { method, steps, cells }, rows }, `${question} ${samples}`);
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // what was drawn may be older than what is known by now
    const { map, rows } = drawn?.of ?? NOTHING;
    const cellAt = new Map(map.cells.map((cell) => [`${cell.column}-${cell.row}`, cell]));
    for (const link of place.current?.querySelectorAll("a") ?? []) {
      const [, column, row] = (link.getAttribute("href") ?? "").split("-").map(Number);
      const cell = cellAt.get(`${column}-${row}`);
      if (!cell) continue;
      link.setAttribute("aria-label", `${rowLabel(rows[row])}, step ${map.steps[column]}`);
      link.onclick = (event) => {
        event.preventDefault();
        open({
          title: `${method}: ${rowLabel(rows[row])}, ${whenOf(run, cell)}`,
          note: `given ${timesOf(cell.places.length)} here, seen ${timesOf(cell.before)} before`,
          texts: [...tallyOutcomes(cell.places.map((at) => run.rollouts.text[at]))],
        });
      };
    }
  }, [drawn]);
  return (
    <figure>
      <figcaption>{method}</figcaption>
      {/* what vega drew of our own numbers */}
      <div ref={place} dangerouslySetInnerHTML={{ __html: drawn?.svg ?? "" }} />
    </figure>
  );
}

/** The completions behind a cell, and how often each was given. */
interface Opened {
  title: string;
  note: string;
  texts: [text: string | null, times: number][];
}

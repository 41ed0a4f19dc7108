/**
 * The treasure map: for one question, which answers a run gave, and when. Rows are answers, columns the
 * visits to the question; a settled method stays in one row, a searching one reaches new rows.
 */

import { UserError } from "../../lib/errors.ts";
import { type Draws, drawIndexes } from "./draw-index.ts";

/** A run as a map sees it. */
export interface MappedRun {
  readonly settings: { seed?: number };
  readonly rollouts: Draws;
}

/** Runs that are alike in all but their seed. */
export interface Mapped<Run extends MappedRun> {
  readonly name: string;
  readonly runs: readonly Run[];
}

/** A question worth looking at, and why. */
export interface Telling {
  question: string;
  why: string;
}

/** How one run answered one question. */
export interface TreasureMap<Run extends MappedRun = MappedRun> {
  method: string;
  run: Run;
  /** The training step of each column; the first, where a column holds several visits. */
  steps: number[];
  cells: Cell[];
}

export interface Cell {
  column: number;
  row: number;
  /** N(x, a) when the column begins. */
  before: number;
  /** Places in the log of the rollouts that gave this answer in this column. */
  places: number[];
}

/** The steps a cell's completions were sampled at, in words. */
export function whenOf(run: MappedRun, { places }: Cell): string {
  const steps = places.map((place) => run.rollouts.step[place]);
  const [first, last] = [Math.min(...steps), Math.max(...steps)];
  return first === last ? `step ${first}` : `steps ${first} to ${last}`;
}

/** The maps of one question, all with the same rows. */
export interface QuestionMaps<Run extends MappedRun = MappedRun> extends Telling {
  rows: Row[];
  maps: TreasureMap<Run>[];
  /** Whether the data's right answer is known; without it only answers that earned a reward are marked. */
  solved: boolean;
}

export interface Row {
  label: string;
  kind: "right" | "wrong" | "others" | "none";
}

/** Answers with a row of their own, beside the right one. */
const ANSWERS = 13;
const COLUMNS = 26;

/** Where the indexes of logs are; who asks again and again about the same logs hands in what keeps them. */
type Indexes = ReturnType<typeof drawIndexes>;

/** The questions asked for, or those that tell most: of each kind the most extreme. */
export function tellingQuestions(
  methods: readonly Mapped<MappedRun>[],
  asked: readonly string[] | null,
  indexOf: Indexes = drawIndexes(),
): Telling[] {
  const known = statistics(methods, indexOf);
  if (asked) return asked.map((text) => ({ question: find(text, known), why: "asked for" }));
  const most = Math.max(0, ...known.map(({ samples }) => samples));
  const visited = known.filter(({ samples }) => samples >= most / 2);
  const chosen: Telling[] = [];
  const choose = (why: (s: Statistics) => string, score: (s: Statistics) => number | null) => {
    let best: Statistics | undefined;
    let highest = -Infinity;
    for (const candidate of visited) {
      const value = score(candidate);
      if (value === null || value <= highest) continue;
      if (chosen.some(({ question }) => question === candidate.question)) continue;
      highest = value;
      best = candidate;
    }
    if (best) chosen.push({ question: best.question, why: why(best) });
  };
  choose(
    ({ correct, samples }) => `hardest solved: ${correct} of ${samples} right`,
    ({ correct, samples }) => (correct > 0 ? -correct / samples : null),
  );
  if (methods.length > 1) {
    choose(
      ({ late }) =>
        `methods differ: ${percent(Math.min(...late))} to ${percent(Math.max(...late))} right late`,
      ({ late }) => Math.max(...late) - Math.min(...late) || null,
    );
  }
  choose(
    ({ distinct }) => `never solved, ${distinct} answers tried`,
    ({ correct, distinct }) => (correct === 0 ? distinct : null),
  );
  choose(
    ({ distinct }) => `most answers: ${distinct}`,
    ({ distinct }) => distinct,
  );
  return chosen;
}

const percent = (share: number) => `${Math.round(100 * share)} %`;

interface Statistics {
  question: string;
  samples: number;
  correct: number;
  /** Different answers in all runs together. */
  distinct: number;
  /** Share of right answers in the last third of the samples, by method. */
  late: number[];
}

function statistics(methods: readonly Mapped<MappedRun>[], indexOf: Indexes): Statistics[] {
  const byQuestion = new Map<string, Statistics & { answers: Set<string> }>();
  for (const [m, { runs }] of methods.entries()) {
    for (const { rollouts } of runs) {
      for (const [q, { right, answers }] of indexOf(rollouts).questions().entries()) {
        const question = rollouts.questions[q];
        const entry = byQuestion.get(question) ?? {
          question,
          samples: 0,
          correct: 0,
          distinct: 0,
          late: [],
          answers: new Set<string>(),
        };
        byQuestion.set(question, entry);
        const samples = right.length - 1;
        entry.samples += samples;
        entry.correct += right[samples];
        for (const answer of answers) entry.answers.add(rollouts.outcomes[answer]);
        entry.distinct = entry.answers.size;
        const first = Math.floor((2 * samples) / 3);
        const share = (right[samples] - right[first]) / (samples - first);
        entry.late[m] = (entry.late[m] ?? 0) + share / runs.length;
      }
    }
  }
  return [...byQuestion.values()].map((entry) => ({
    ...entry,
    late: Array.from(entry.late, (share) => share ?? 0),
  }));
}

function find(text: string, known: readonly Statistics[]): string {
  const exact = known.find(({ question }) => question === text);
  if (exact) return exact.question;
  const near = known.filter(({ question }) => question.includes(text));
  if (near.length === 1) return near[0].question;
  const found = near.length === 0 ? "is in no question" : `is in ${near.length} questions`;
  throw new UserError(`--question "${text}" ${found} of these runs; give the whole question`);
}

/** Builds the maps of a question: of each method the run with the lowest seed. */
export function mapQuestion<Run extends MappedRun>(
  telling: Telling,
  methods: readonly Mapped<Run>[],
  gold: string | null,
  indexOf: Indexes = drawIndexes(),
): QuestionMaps<Run> {
  const visits = methods.flatMap(({ name, runs }) => {
    const [run] = [...runs].sort((a, b) => (a.settings.seed ?? 0) - (b.settings.seed ?? 0));
    const q = run.rollouts.questions.indexOf(telling.question);
    const { places = [] } = indexOf(run.rollouts).questions()[q] ?? {};
    return places.length > 0 ? [{ name, run, places }] : [];
  });
  const counts = new Map<string | null, number>();
  const right = new Set<string | null>(gold === null ? [] : [gold]);
  for (const { run, places } of visits) {
    for (const place of places) {
      const answer = answerAt(run, place);
      counts.set(answer, (counts.get(answer) ?? 0) + 1);
      if (run.rollouts.correct[place]) right.add(answer);
    }
  }
  const wrong = [...counts.keys()]
    .filter((answer): answer is string => answer !== null && !right.has(answer))
    .sort((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0));
  const others = wrong.splice(wrong.length > ANSWERS + 1 ? ANSWERS : wrong.length);
  const answers: (string | null)[] = [...right, ...wrong];
  const rows: Row[] = answers.map((answer) => ({
    label: String(answer),
    kind: right.has(answer) ? "right" : "wrong",
  }));
  const rowOf = new Map<string | null, number>(answers.map((answer, row) => [answer, row]));
  if (others.length > 0) {
    for (const answer of others) rowOf.set(answer, rows.length);
    rows.push({ label: `${others.length} others`, kind: "others" });
  }
  if (counts.has(null)) {
    rowOf.set(null, rows.length);
    rows.push({ label: "no answer", kind: "none" });
  }
  const maps = visits.map(({ name, run, places }) => ({
    method: name,
    run,
    ...cellsOf(run, places, (answer) => rowOf.get(answer) ?? 0),
  }));
  const solved = visits.some(({ run, places }) => places.some((p) => run.rollouts.correct[p]));
  return { ...telling, rows, maps, solved };
}

function answerAt({ rollouts }: MappedRun, place: number): string | null {
  return rollouts.outcome[place] < 0 ? null : rollouts.outcomes[rollouts.outcome[place]];
}

function cellsOf(
  run: MappedRun,
  places: readonly number[],
  rowOf: (answer: string | null) => number,
): { steps: number[]; cells: Cell[] } {
  const visitSteps = [...new Set(places.map((place) => run.rollouts.step[place]))];
  const width = Math.ceil(visitSteps.length / COLUMNS);
  const columnOf = new Map(visitSteps.map((step, i) => [step, Math.floor(i / width)]));
  const steps = visitSteps.filter((_, i) => i % width === 0);
  const seen = new Map<number, number>();
  const cells: Cell[] = [];
  let next = 0;
  for (let column = 0; column < steps.length; column++) {
    const now = new Map<number, number[]>([...seen.keys()].map((row) => [row, []]));
    for (; next < places.length; next++) {
      const place = places[next];
      if (columnOf.get(run.rollouts.step[place]) !== column) break;
      const row = rowOf(answerAt(run, place));
      now.set(row, [...(now.get(row) ?? []), place]);
    }
    for (const [row, sampled] of now) {
      const before = seen.get(row) ?? 0;
      cells.push({ column, row, before, places: sampled });
      seen.set(row, before + sampled.length);
    }
  }
  return { steps, cells };
}

import type { Draws } from "../../beyond/report/draw-index.ts";
import type { Answers, Held, StepFigures } from "../messages.ts";

/** Every completion of a side, in the order they were sampled, a column an array: plain data, to be kept as it is. */
export interface Log extends Draws {
  step: number[];
  question: number[];
  outcome: number[];
  correct: boolean[];
  questions: string[];
  outcomes: string[];
  /** The completions themselves. */
  text: string[];
}

/** What one side has done so far. */
export interface SideState {
  steps: ({ step: number } & StepFigures)[];
  held: ({ step: number } & Held)[];
  log: Log;
}

export const emptyLog = (): Log => ({
  step: [],
  question: [],
  outcome: [],
  correct: [],
  questions: [],
  outcomes: [],
  text: [],
});

/** Adds the groups of a step. */
export function addTo(log: Log, step: number, groups: readonly Answers[]): void {
  for (const { question, texts, outcomes, correct } of groups) {
    const at = placeIn(log.questions, question);
    for (const [i, text] of texts.entries()) {
      const outcome = outcomes[i];
      log.step.push(step);
      log.question.push(at);
      log.outcome.push(outcome === null ? -1 : placeIn(log.outcomes, outcome));
      log.correct.push(correct[i]);
      log.text.push(text);
    }
  }
}

/** Where each text stands in a list, for lists that only grow. */
const places = new WeakMap<string[], Map<string, number>>();

/** The place of a text among those known, of which it becomes one. */
function placeIn(known: string[], text: string): number {
  let placeOf = places.get(known);
  if (!placeOf) {
    placeOf = new Map(known.map((one, place) => [one, place]));
    places.set(known, placeOf);
  }
  const place = placeOf.get(text) ?? known.push(text) - 1;
  placeOf.set(text, place);
  return place;
}

/** A copy that does not grow with it. */
export const copyOf = (log: Log): Log =>
  Object.fromEntries(Object.entries(log).map(([name, column]) => [name, column.slice()])) as Log;

/** How far a log has grown, by column. */
export type Extent = Record<string, number>;

export const extentOf = (log: Log): Extent =>
  Object.fromEntries(Object.entries(log).map(([name, column]) => [name, column.length]));

/** What a log has beyond an earlier extent of it; all of it without one. */
export const since = (log: Log, extent: Extent = {}): Log =>
  Object.fromEntries(
    Object.entries(log).map(([name, column]) => [name, column.slice(extent[name] ?? 0)]),
  ) as Log;

/** Puts together what `since` took apart. */
export function joined(parts: readonly Log[]): Log {
  const columns = Object.keys(emptyLog()) as (keyof Log)[];
  return Object.fromEntries(
    columns.map((name) => [name, (parts.map((part) => part[name]) as unknown[][]).flat()]),
  ) as unknown as Log;
}

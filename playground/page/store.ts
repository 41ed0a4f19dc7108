/** What the page knows, and what each piece of news changes in it. */
import type { Apart, Asked, Held, News, Setup, Side, StepFigures } from "../messages.ts";
import { DEFAULT_SETUP } from "./methods.ts";

/** What one side has done so far. */
export interface SideState {
  steps: ({ step: number } & StepFigures)[];
  held: ({ step: number } & Held)[];
}

export interface State {
  /** The GPU, once the thread has it. */
  adapter: { name: string; isSoftware: boolean } | null;
  /** Questions that can be trained on. */
  questions: Asked[];
  /** What the visitor has chosen for the next beginning. */
  setup: Setup;
  /** What is being trained with. */
  begun: Setup | null;
  running: boolean;
  /** What is going on right now. */
  activity: string;
  /** What went wrong, in a sentence, and whether it is the end. */
  problem: { message: string; isFatal: boolean } | null;
  base: Held | null;
  /** The group that is looked at, and its numbers. */
  looked: { side: Side; group: number };
  apart: Apart | null;
  /** The weights that were asked for last. */
  exported: { side: Side; step: number; bytes: Uint8Array<ArrayBuffer> } | null;
  sides: [SideState, SideState];
}

const freshSide = (): SideState => ({ steps: [], held: [] });

export const freshState = (): State => ({
  adapter: null,
  questions: [],
  setup: DEFAULT_SETUP,
  begun: null,
  running: false,
  activity: "opening the GPU",
  problem: null,
  base: null,
  looked: { side: 1, group: 0 },
  apart: null,
  exported: null,
  sides: [freshSide(), freshSide()],
});

/** Steps that both sides have done. */
export const stepOf = ({ sides }: State): number => sides[1].steps.at(-1)?.step ?? 0;

/** Takes in a piece of news. */
export function hear(state: State, news: News): void {
  switch (news.is) {
    case "opened": {
      const { adapter: name, isSoftware, questions } = news;
      Object.assign(state, { adapter: { name, isSoftware }, questions, activity: "" });
      return;
    }
    case "begun":
      state.begun = news.setup;
      state.problem = null;
      state.base = null;
      state.apart = null;
      state.sides = [freshSide(), freshSide()];
      return;
    case "running":
      state.running = news.running;
      if (!news.running) state.activity = "";
      return;
    case "activity":
      state.activity = news.text;
      return;
    case "step":
      state.sides[news.side].steps.push({ step: news.step, ...news.figures });
      state.activity = "";
      return;
    case "held":
      hold(state, news.side, news.step, news.held);
      return;
    case "apart":
      state.apart = news.apart;
      return;
    case "exported":
      state.exported = news;
      return;
    case "failed":
      state.problem = { message: news.message, isFatal: news.isFatal };
      return;
  }
}

function hold(state: State, side: Side | "base", step: number, held: Held): void {
  state.activity = "";
  if (side !== "base") {
    state.sides[side].held.push({ step, ...held });
    return;
  }
  state.base = held;
  for (const one of state.sides) one.held.push({ step, ...held });
}

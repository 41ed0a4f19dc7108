/** What the page knows, and what each piece of news changes in it. */
import type { Answered, Apart, Asked, Held, KeptTraining, News, Setup, Side } from "../messages.ts";
import type { OpenedRun } from "../opener/runs.ts";
import { addTo, copyOf, emptyLog, type SideState } from "./log.ts";
import { DEFAULT_SETUP } from "./methods.ts";
import type { RunEntry } from "./runs.ts";

/** What there is to show of a run. */
export interface Shown {
  base: Held | null;
  sides: SideState[];
}

/** Training that can be gone back to, with what was shown of it then. */
export interface Moment {
  training: KeptTraining;
  shown: Shown;
}

export interface State extends Shown {
  /** The GPU, once the thread has it. */
  adapter: { name: string; isSoftware: boolean } | null;
  /** Questions that can be trained on. */
  questions: Asked[];
  /** What the visitor has chosen for the next beginning. */
  setup: Setup;
  /** What is being trained with. */
  begun: Setup | null;
  running: boolean;
  /** Whether what is shown was recorded elsewhere. */
  isRecorded: boolean;
  /** What is going on right now. */
  activity: string;
  /** What went wrong, in a sentence, and whether it is the end. */
  problem: { message: string; isFatal: boolean } | null;
  /** What is good to know, in a sentence. */
  note: string;
  /** The group that is looked at, and its numbers. */
  looked: { side: Side; group: number };
  apart: Apart | null;
  /** The weights that were asked for last. */
  exported: { side: Side; step: number; bytes: Uint8Array<ArrayBuffer> } | null;
  /** What the models answered to the visitor's question. */
  asked: { gold: string; answered: Answered[] } | null;
  sides: [SideState, SideState];
  /** The last moment that can be gone back to. */
  moment: Moment | null;
  /** What was opened from files. */
  opened: { runs: OpenedRun[] } | { name: string; report: string } | null;
  /** Runs that the browser keeps; null before they are known. */
  runs: RunEntry[] | null;
  /** Which of them is trained. */
  run: string;
}

const freshSide = (): SideState => ({ steps: [], held: [], log: emptyLog() });

export const freshState = (): State => ({
  adapter: null,
  questions: [],
  setup: DEFAULT_SETUP,
  begun: null,
  running: false,
  isRecorded: false,
  activity: "opening the GPU",
  problem: null,
  note: "",
  base: null,
  looked: { side: 1, group: 0 },
  apart: null,
  exported: null,
  asked: null,
  sides: [freshSide(), freshSide()],
  moment: null,
  opened: null,
  runs: null,
  run: "",
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
      state.asked = null;
      state.moment = null;
      state.looked = { side: 1, group: 0 };
      state.sides = [freshSide(), freshSide()];
      return;
    case "running":
      state.running = news.running;
      if (!news.running) state.activity = "";
      return;
    case "ownCode":
      return;
    case "activity":
      state.activity = news.text;
      return;
    case "step":
      state.sides[news.side].steps.push({ step: news.step, ...news.figures });
      addTo(state.sides[news.side].log, news.step, news.groups);
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
    case "asked":
      state.asked = news;
      state.activity = "";
      state.problem = null;
      return;
    case "kept":
      state.moment = { training: news.training, shown: shownOf(state) };
      return;
    case "failed":
      state.problem = { message: news.message, isFatal: news.isFatal };
      state.activity = "";
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

/** A copy of what is shown, which what comes does not change. */
const shownOf = ({ base, sides }: Shown): Shown => ({
  base,
  sides: sides.map(({ steps, held, log }) => ({
    steps: [...steps],
    held: [...held],
    log: copyOf(log),
  })),
});

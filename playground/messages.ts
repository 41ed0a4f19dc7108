/** What the page and the thread that trains say to each other. All of it is plain data. */
import type { Outcome } from "../lib/explore/counter.ts";

/** One of the two models that are trained side by side. */
export type Side = 0 | 1;
export const SIDES: readonly Side[] = [0, 1];

/** How one side explores: as `--explore` has it, or `own`, the visitor's code. */
export interface MethodChoice {
  explore: string;
  coefficients: number[];
  b0: number;
  code: string;
}

/** What a visitor chooses before training begins. */
export interface Setup {
  seed: number;
  promptsPerStep: number;
  numGenerations: number;
  learningRate: number;
  /** The first so many questions are trained on. */
  questions: number;
  /** Steps between evaluations. */
  evalSteps: number;
  methods: readonly [MethodChoice, MethodChoice];
}

/** What the page asks for. */
export type Command =
  | { do: "begin"; setup: Setup }
  | { do: "run" }
  | { do: "pause" }
  | { do: "step" }
  | { do: "takeApart"; side: Side; group: number }
  | { do: "export"; side: Side }
  | { do: "ask"; question: string; seed: number }
  | { do: "keep" }
  | { do: "goOnWith"; training: KeptTraining };

/** One side as a kept run brings it back. */
export interface KeptSide {
  /** Files of safetensors: the weights, and both moments of AdamW. */
  weights: Uint8Array<ArrayBuffer>;
  optimizer: Uint8Array<ArrayBuffer>;
  step: number;
  drawn: number;
  updates: number;
  /** N(x, a), in the order of first appearance. */
  counts: [question: string, outcome: Outcome, count: number][];
  solved: string[];
}

/** All that training needs to go on, to the bits of one that was never stopped. */
export interface KeptTraining {
  setup: Setup;
  sides: readonly [KeptSide, KeptSide];
}

/** The figures of a step, as `metrics.jsonl` has them. */
export type StepFigures = Record<
  | "reward"
  | "passAt1"
  | "distinct"
  | "entropy"
  | "solved"
  | "loss"
  | "gradNorm"
  | "seconds"
  | "exploration",
  number
>;

/** A group of completions, as far as it is remembered. */
export interface Answers {
  question: string;
  texts: string[];
  outcomes: Outcome[];
  correct: boolean[];
}

/** What a model answers to a question that a visitor typed. */
export interface Answered {
  of: Side | "base";
  step: number;
  answers: Answers;
}

/** What a model does with the held-out questions. */
export interface Held {
  /** pass@k by k. */
  pass: Record<number, number>;
  distinct: number;
  entropy: number;
}

/** A question that can be asked, with its right answer. */
export interface Asked {
  text: string;
  gold: string;
}

/** A summand of the exploration term of a group. */
export interface ApartTerm {
  name: string;
  coefficient: number;
  /** B_i of each completion. */
  signal: number[];
}

/** A completion with every number that its update came from. */
export interface ApartCompletion {
  tokens: string[];
  /** Log-probability of each token, when it was drawn and after the update. */
  before: number[];
  after: number[];
  /** The first token of the final answer; all of them without one. */
  answerStart: number;
  outcome: Outcome;
  correct: boolean;
  finished: boolean;
  /** N(x, a) of earlier steps. */
  count: number;
  /** b of that count. */
  bonus: number;
  reward: number;
  advantage: number;
  /** c B, summed over the terms. */
  exploration: number;
}

/** A group of the last step of a side, taken apart. */
export interface Apart {
  side: Side;
  step: number;
  group: number;
  /** The questions of the step, with how many completions were right. */
  questions: { text: string; right: number }[];
  question: string;
  gold: string;
  terms: ApartTerm[];
  completions: ApartCompletion[];
}

/** What the thread tells. */
export type News =
  | { is: "opened"; adapter: string; isSoftware: boolean; seconds: number; questions: Asked[] }
  | { is: "begun"; setup: Setup }
  | { is: "running"; running: boolean }
  | { is: "activity"; text: string }
  | { is: "ownCode"; running: boolean }
  | { is: "step"; side: Side; step: number; figures: StepFigures; groups: Answers[] }
  | { is: "held"; side: Side | "base"; step: number; held: Held }
  | { is: "apart"; apart: Apart }
  | { is: "exported"; side: Side; step: number; bytes: Uint8Array<ArrayBuffer> }
  | { is: "asked"; gold: string; answered: Answered[] }
  | { is: "kept"; training: KeptTraining }
  | { is: "failed"; message: string; isFatal: boolean };

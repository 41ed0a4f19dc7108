/**
 * What the method knows of data: rows to ask, and a judge of what is answered. Exploration counts outcomes,
 * so a judge gives equal answers equal outcomes, and text that states no answer the outcome `null`.
 */

/** What one side says in a conversation. Further fields are for the chat template. */
export interface Turn {
  role: string;
  content: string;
  [field: string]: unknown;
}

/** A question, with the answer that earns the reward. */
export interface Row {
  question: string;
  /** The conversation that the question stands in, where there is more of it than the question. */
  turns?: readonly Turn[];
  /** Bare, or a worked solution that ends in it. */
  answer: string;
  /** Of the file it comes from, for messages. */
  line: number;
  /** The row as it stands in the data, where a judge needs more than the answer. */
  fields?: Record<string, unknown>;
}

/** How a final answer is marked: \boxed{} or \fbox{}, <answer> tags, ####, #, "the answer is", ... */
export type AnswerForm =
  | "boxed"
  | "tags"
  | "hashes"
  | "hash"
  | "phrase"
  /** by a pattern of the user's */
  | "pattern"
  /** by the user's own code */
  | "code"
  /** not at all */
  | "last-number";

/** A completion; one cut off before its stop token has not stated its final answer. */
export interface Completed {
  text: string;
  truncated: boolean;
  /** How many it has, the end token included; not given where nobody counted. */
  tokens?: number;
}

/** What the user's own code pays for one part of a reward, and what that part weighs. */
export interface PaidPart {
  part: string;
  weight: number;
  /** Null for a part that does not apply here: it adds nothing. */
  value: number | null;
}

/** What a judge says of a completion. */
export interface Judgement {
  /** Canonical form of the final answer, or null when the completion states none. */
  outcome: string | null;
  correct: boolean;
  /** How the final answer is marked; null when there is none. */
  form: AnswerForm | null;
  /** By the user's own code; empty from any other judge. Null leaves the completion out: nothing is learned from it. */
  paid: readonly PaidPart[] | null;
  /** Where the answer stands in the completion, in UTF-16 units: [start, end). Null without one. */
  answerStart: number | null;
  answerEnd: number | null;
}

/** What was asked: the row and the outcome that is right. */
export interface Asked {
  row: Row;
  gold: string;
  /** Of training; not given to what is only measured. */
  step?: number;
}

/** Tells outcomes. */
export interface Judge {
  /** The right outcome of a row; null if it has none. */
  gold(row: Row): string | null;
  /** Judges the completions of one question. */
  judge(completions: readonly Completed[], asked: Asked): Promise<Judgement[]>;
  /** Tells of an outcome counted earlier, which equal answers are to join. */
  remember(question: string, outcome: string): void;
}
